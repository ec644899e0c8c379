package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/spf13/cobra"

	"dwell/internal/config"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/query/elastic"
)

// level is how a line of the check came out.
type level string

const (
	ok   level = "OK"
	warn level = "WARN"
	fail level = "FAIL"
	skip level = "SKIP"
)

// checkLine is one line of the check, with the fix where there is something to fix.
type checkLine struct {
	name  string
	level level
	text  string
	fix   string
}

func newCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check configuration, connection, permissions, fields, data and clock",
		Long: `Check that hunts in the cluster can work. Each line is OK, WARN or FAIL, with the fix. Nothing is
written. Exit code 1 when a line failed, 4 when the cluster does not accept the credentials.`,
		Example: `  dwell check
  DWELL_ELASTICSEARCH_API_KEY_FILE=/etc/dwell/api_key dwell check`,
		RunE: func(c *cobra.Command, _ []string) error { return a.check(c.Context()) },
	}
}

func (a *app) check(ctx context.Context) error {
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	d := &doctor{app: a, settings: settings}
	d.config()
	err = d.cluster(ctx)
	if printErr := d.print(); printErr != nil {
		return printErr
	}
	var server *es.Error
	if errors.As(err, &server) && (server.Kind == es.Auth || server.Kind == es.Permission) {
		return codeError{exitAuth, "the cluster does not accept the credentials for this"}
	}
	failed, warned := d.count(fail), d.count(warn)
	if failed > 0 {
		return codeError{exitFailed, fmt.Sprintf("%d failed, %s", failed, hunt.Many(warned, "warning"))}
	}
	a.say("dwell: %s, nothing failed", hunt.Many(warned, "warning"))
	return nil
}

// doctor collects lines.
type doctor struct {
	*app
	settings *config.Loaded
	client   *es.Client
	lines    []checkLine
}

func (d *doctor) add(name string, l level, fix, format string, args ...any) {
	d.lines = append(d.lines, checkLine{name: name, level: l, fix: fix, text: fmt.Sprintf(format, args...)})
}

func (d *doctor) count(l level) (n int) {
	for _, line := range d.lines {
		if line.level == l {
			n++
		}
	}
	return n
}

func (d *doctor) print() error {
	for _, l := range d.folded() {
		text := output.Clean(l.text)
		if fix := output.Clean(l.fix); fix != "" && !strings.Contains(text, fix) {
			text += "; fix: " + fix
		}
		if _, err := fmt.Fprintln(d.Out, output.Wrap(fmt.Sprintf("%-8s %-4s  %s", l.name, l.level, text), d.Width, strings.Repeat(" ", 15))); err != nil {
			return err
		}
	}
	return nil
}

// folded puts the lines of one name that are OK into one, but for --verbose.
func (d *doctor) folded() (out []checkLine) {
	for _, l := range d.lines {
		if n := len(out); !d.verbose && n > 0 && l.level == ok && out[n-1].level == ok && out[n-1].name == l.name {
			out[n-1].text += ", " + l.text
			continue
		}
		out = append(out, l)
	}
	return out
}

func (d *doctor) config() {
	given := 0
	for _, s := range d.settings.Settings() {
		if s.Origin != "default" {
			given++
		}
	}
	file := d.settings.File
	if file == "" {
		file = "no configuration file"
	}
	d.add("config", ok, "", "%s, %s given", file, hunt.Many(given, "setting"))
	if d.settings.Elasticsearch.Insecure {
		d.add("config", warn, "set elasticsearch.ca_file and drop elasticsearch.insecure", "the server's certificate is not verified")
	}
}

// cluster goes through everything that needs the cluster, and stops where nothing further can be known.
func (d *doctor) cluster(ctx context.Context) error {
	client, err := d.app.client(d.settings)
	if err != nil {
		d.failed("connect", err)
		return err
	}
	d.client = client
	info, err := client.Info(ctx)
	if err != nil {
		d.failed("connect", err)
		return err
	}
	verified, level, fix := "certificate verified", ok, ""
	if d.settings.Elasticsearch.Insecure {
		verified, level, fix = "certificate not verified", warn, "set elasticsearch.ca_file and drop elasticsearch.insecure"
	} else if !strings.HasPrefix(client.Addresses()[0], "https:") {
		verified = "without TLS"
		if e := &d.settings.Elasticsearch; e.APIKey != "" || e.Password != "" {
			verified, level, fix = "without TLS: the key or password can be read in transit", warn, "use https:// in elasticsearch.addresses"
		}
	}
	d.add("connect", level, fix, "%s, Elasticsearch %s, cluster %q, %s", client.Addresses()[0], info.Version.Number, info.ClusterName, verified)
	d.version(info.Version.Number)
	d.clock(ctx)
	d.rights(ctx)
	return d.data(ctx)
}

// failed turns an error into a line.
func (d *doctor) failed(name string, err error) {
	var h hinted
	var server *es.Error
	fix := ""
	if errors.As(err, &h) {
		fix = h.hint
	} else if errors.As(err, &server) {
		fix = server.Hint
	}
	d.add(name, fail, fix, "%v", err)
}

func (d *doctor) version(number string) {
	major, _, _ := strings.Cut(number, ".")
	if major != "8" && major != "9" {
		d.add("version", warn, "", "Elasticsearch %s is not one of the versions that dwell is tested with (8.x, 9.x)", number)
		return
	}
	d.add("version", ok, "", "%s.x is tested", major)
}

func (d *doctor) clock(ctx context.Context) {
	c, err := d.client.Clock(ctx)
	skew := c.Off()
	const fix = "let both hosts follow the same time server"
	switch {
	case es.Is(err, es.Permission):
		d.add("clock", warn, "grant the cluster privilege monitor (dwell install --create-key)", "cannot read the cluster's clock (missing privilege)")
	case err != nil:
		d.failed("clock", err)
	case skew > es.MaxSkew:
		d.add("clock", fail, fix, "this host's clock is %s away from the cluster's", c.Skew.Abs().Round(time.Second))
	case skew > 2*time.Second:
		d.add("clock", warn, fix, "this host's clock is %s away from the cluster's", c.Skew.Abs().Round(time.Second))
	default:
		d.add("clock", ok, "", "within %s of the cluster's", max(c.Skew.Abs(), c.RoundTrip/2).Round(time.Millisecond))
	}
}

// rights asks what the credentials may do: read Zeek's data, write and read ours.
func (d *doctor) rights(ctx context.Context) {
	const body = `{"cluster":["monitor"],"index":[{"names":["logs-zeek-so"],"privileges":["read","view_index_metadata"]},` +
		`{"names":["logs-dwell.finding-so","logs-dwell.hunt-so"],"privileges":["read","create_doc","index","auto_configure","view_index_metadata"]}]}`
	var answer struct {
		Username string                     `json:"username"`
		Cluster  map[string]bool            `json:"cluster"`
		Index    map[string]map[string]bool `json:"index"`
	}
	err := d.client.Do(ctx, es.Call{Op: "ask for privileges", Request: esapi.SecurityHasPrivilegesRequest{Body: strings.NewReader(body)}, Decode: es.JSON(&answer)})
	if err != nil {
		if es.Is(err, es.NotFound, es.Fatal) {
			d.add("auth", skip, "", "this cluster has security switched off: anyone can do anything")
			return
		}
		d.failed("auth", err)
		return
	}
	missing := func(index string) (out []string) {
		for _, p := range []string{"read", "view_index_metadata", "create_doc", "index", "auto_configure"} {
			if has, asked := answer.Index[index][p]; asked && !has {
				out = append(out, p)
			}
		}
		return out
	}
	if m := missing("logs-zeek-so"); len(m) > 0 {
		d.add("auth", fail, "dwell install --create-key FILE, as an administrator", "%s cannot read logs-zeek-so (missing: %s)", answer.Username, strings.Join(m, ", "))
	} else {
		d.add("auth", ok, "", "%s can read logs-zeek-so", answer.Username)
	}
	if m := missing("logs-dwell.finding-so"); len(m) > 0 {
		d.add("auth", warn, "dwell install --create-key FILE, as an administrator; without it, leave --write out", "%s cannot write findings to logs-dwell.finding-so (missing: %s)", answer.Username, strings.Join(m, ", "))
	} else {
		d.add("auth", ok, "", "%s can write findings", answer.Username)
	}
}

// data looks at what a hunt would read.
func (d *doctor) data(ctx context.Context) error {
	src, err := d.app.source(ctx, nil, d.settings)
	if err != nil {
		d.failed("data", err)
		return err
	}
	direction, err := hunt.ParseDirection(d.settings.Hunt.Direction)
	if err != nil {
		d.failed("data", err)
		return err
	}
	survey, err := src.(*elastic.Source).Survey(ctx, hunt.NewScope(d.settings.Hunt.Internal, direction))
	if err != nil {
		d.failed("data", err)
		return err
	}
	d.add("indices", ok, "", "%s", strings.Join(survey.Names, ", "))
	for _, n := range survey.Notes {
		d.add("indices", warn, n.Hint, "%s", hunt.Note{What: n.What, Where: n.Where})
	}
	if survey.Newest.IsZero() {
		d.add("data", fail, "is Zeek the grid's metadata engine, and does the agent deliver its logs?", "no zeek.conn document in %s", strings.Join(survey.Names, ", "))
		return nil
	}
	d.fields(survey)
	for _, n := range survey.OutOfScope {
		d.add("scope", warn, n.Hint, "%s", n.What)
	}
	age, seen := hunt.Brief(d.Now().Sub(survey.Newest).Seconds()), hunt.Count(survey.Connections)
	switch {
	case survey.Connections == 0:
		d.add("data", warn, "choose the window with --from and --to, or check that Zeek's logs still arrive", "the newest connection is %s old (%s); none in the last 24h", age, survey.Newest.Format(time.RFC3339))
	case survey.Hours < 24:
		d.add("data", warn, "hours without any connection are not covered by a hunt", "newest connection %s old; %s connections in the last 24h, in %d of its hours", age, seen, survey.Hours)
	default:
		d.add("data", ok, "", "newest connection %s old; %s connections in the last 24h, in all of its hours", age, seen)
	}
	return nil
}

func (d *doctor) fields(survey *elastic.Survey) {
	good := 0
	for _, f := range survey.Fields {
		types := strings.Join(f.Types, " and ")
		filled := ""
		if !math.IsNaN(f.Filled) {
			filled = fmt.Sprintf(", filled in %.0f%%", 100*f.Filled)
		}
		switch {
		case len(f.Types) == 0 && f.Needed:
			d.add("fields", fail, "these are not Security Onion's documents", "%s is not mapped", f.Name)
		case len(f.Types) == 0:
			d.add("fields", warn, "", "%s is not mapped: what rests on it is left out", f.Name)
		case !f.Good():
			d.add("fields", fail, "reindex, or name indices that agree with query.index", "%s is %s, wanted is %s", f.Name, types, strings.Join(f.Wanted, " or "))
		case f.Filled < 0.5 && f.Name != "network.protocol":
			d.add("fields", warn, "", "%s is %s%s: unanswered attempts have none; sizes and durations rest on the others", f.Name, types, filled)
		case d.verbose:
			d.add("fields", ok, "", "%s is %s%s", f.Name, types, filled)
		default:
			good++
		}
	}
	if good > 0 {
		d.add("fields", ok, "", "%s as hunts need them (--verbose lists them)", hunt.Many(good, "field"))
	}
}
