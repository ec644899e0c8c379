package main

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/store"
)

// findingsFlags are the filters of the list.
type findingsFlags struct {
	severity, source, destination, age string
	huntID, findingID, sort, status    string
	campaign                           string
	indicators                         []string
	format                             string
	asn, country, ja4, new, host       string
	minScore                           float64
	listFlags
	every, safelisted bool
}

func newFindings(a *app) *cobra.Command {
	var f findingsFlags
	c := &cobra.Command{
		Use:   "findings",
		Short: "List stored findings, filtered and sorted",
		Long: `List what hunts have stored. A finding is the same pair in hunt after hunt: its latest document is listed, of each hunt's
newest revision.`,
		Example: `  dwell findings                                        every finding, strongest first
  dwell findings --severity high --since 7d             high and critical whose last connection is at most a week old
  dwell findings --new 24h --country RU                 first seen today, with a destination there
  dwell findings --status escalated -o blocklist        for a firewall or resolver; -o stix and -o misp for other programs
  dwell findings --host WS-014                          all of one host or user, by name
  dwell findings --source 10.1.4.0/24 --sort time       what a subnet did, newest first
  dwell findings --destination evil.example -o ndjson   by name or address`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return hint(usage("findings takes no argument, and %q is one", args[0]), "filters are flags: --id 55c3455, --host WS-014, --source 10.1.4.22, --destination evil.example")
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return a.findings(c.Context(), &f) },
	}
	p := c.Flags()
	p.SetNormalizeFunc(renamed("age", "since"))
	p.StringVar(&f.severity, "severity", "", "this `severity` or more: low, medium, high, critical")
	p.Float64Var(&f.minScore, "min-score", 0, "this `score` or more, 0 to 1")
	p.StringVar(&f.source, "source", "", "source `address` or network")
	p.StringVar(&f.destination, "destination", "", "destination address, network or `name`; a name finds what is below it too")
	p.StringVar(&f.age, "since", "", "last connection within this `duration`, as in 24h or 7d")
	p.StringSliceVar(&f.indicators, "indicator", nil, "with one of these `indicators`: "+strings.Join(hunt.Indicators(), ", "))
	p.StringVar(&f.campaign, "campaign", "", "findings of this campaign (`id`, or its beginning)")
	p.StringVar(&f.host, "host", "", "of the host or user with this `name`, as DHCP, Kerberos, NTLM or DNS know it")
	p.StringVar(&f.asn, "asn", "", "destination in the autonomous system with this `number`, as in AS64500")
	p.StringVar(&f.country, "country", "", "destination in this `country`, by its two letters")
	p.StringVar(&f.ja4, "ja4", "", "with this JA4 `fingerprint` of the client")
	p.StringVar(&f.new, "new", "", "first seen within this `duration`, as in 24h")
	p.StringVar(&f.status, "status", "", "with this `disposition`: open, benign or escalated")
	p.StringVar(&f.huntID, "hunt", "", "findings of the hunt with this `id`")
	p.StringVar(&f.findingID, "id", "", "this finding only (`id`, or its beginning)")
	p.BoolVar(&f.every, "every", false, "the documents of every hunt, not only the latest of each finding")
	p.BoolVar(&f.safelisted, "show-safelisted", false, "include safelisted findings")
	p.StringVar(&f.sort, "sort", "score", "`order`: score, time, source, destination, connections or bytes")
	f.listed(p)
	p.StringVarP(&f.format, "output", "o", "", output.FormatHelp(false))
	return c
}

// renamed keeps the old name of a flag.
func renamed(old, now string) func(*pflag.FlagSet, string) pflag.NormalizedName {
	return func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == old {
			name = now
		}
		return pflag.NormalizedName(name)
	}
}

func (a *app) findings(ctx context.Context, f *findingsFlags) error {
	show, err := a.printing(f.format, false)
	if err != nil {
		return err
	}
	filter, err := f.filter(a)
	if err != nil {
		return err
	}
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	st, err := a.openStore(settings)
	if err != nil {
		return err
	}
	if filter.HuntID, err = huntOf(ctx, st, f.huntID); err != nil {
		return err
	}
	if show.Format == output.Table { // --limit counts lines, and a line may be a campaign
		filter.Limit = 0
	}
	lacking, err := f.filterEach(a, settings, &filter)
	if err != nil {
		return err
	}
	list, err := st.Findings(ctx, filter)
	if err != nil {
		return missingTemplates(err)
	}
	entries := f.grouped(list.Findings, &show)
	n := f.first(len(entries), show.Format == output.Table, a.OutTTY)
	if err := a.print(entries[:n], show, "", f.noPager); err != nil {
		return err
	}
	text := fmt.Sprintf("%s, out of %s", hunt.Many(list.Total, "finding"), hunt.Many(list.Hunts, "hunt"))
	text += f.more(list.Total - len(list.Findings) + len(entries) - n)
	a.say("dwell: %s", text)
	for _, l := range lacking {
		if l.n > 0 {
			a.say("dwell: note: %s left out, because %s", hunt.Many(l.n, "finding"), l.why)
		}
	}
	if show.Format == output.Blocks {
		blocked := output.BlockList(entries[:n])
		a.say("dwell: %s of escalated findings", hunt.Many(len(blocked.Lines), "line"))
		for _, why := range blocked.Left {
			a.warn("not in the list: %s", why)
		}
	}
	if list.Unfinished > 0 {
		a.warn("%s belong to hunts that did not finish writing: hunt that window again to complete it", hunt.Many(list.Unfinished, "finding"))
	}
	for _, l := range lacking {
		if l.n > 0 && !l.known {
			return codeError{exitIncomplete, "no answer: of every finding that the other filters leave, " + l.not}
		}
	}
	return a.checkEmpty(ctx, st, f, &list)
}

// lack is a fact that a filter needs and that findings may not have.
type lack struct {
	// n findings lack it, for the reason why; known means that another one has it.
	n     int
	known bool
	// not is the message if all of them lack it.
	why, not string
	missing  func(*hunt.Finding) bool
}

// lacks are the facts that the filters in use go by.
func (f *findingsFlags) lacks() (out []*lack) {
	evidence := func(x *hunt.Finding) *hunt.Evidence {
		if x.Dwell.Evidence == nil {
			return &hunt.Evidence{}
		}
		return x.Dwell.Evidence
	}
	if f.new != "" {
		out = append(out, &lack{why: "it is not known when they were first seen (evidence.enabled, or --remember-only)", not: "it is not known when it was first seen",
			missing: func(x *hunt.Finding) bool { return output.FirstSeen(x).IsZero() }})
	}
	const geo = "(it comes from Elasticsearch, where Security Onion's ingest adds it to public addresses)"
	if f.asn != "" {
		out = append(out, &lack{why: "the autonomous system of their destination is not known " + geo, not: "the destination's autonomous system is not known",
			missing: func(x *hunt.Finding) bool { return evidence(x).ASN == nil }})
	}
	if f.country != "" {
		out = append(out, &lack{why: "the country of their destination is not known " + geo, not: "the destination's country is not known",
			missing: func(x *hunt.Finding) bool { return evidence(x).Country == "" }})
	}
	return out
}

// checkEmpty ends with code 5 if an empty list proves nothing: no hunt is stored, or the newest analyzed nothing.
// Otherwise it hints at what the filters leave out.
func (a *app) checkEmpty(ctx context.Context, st *store.Store, f *findingsFlags, list *store.List) error {
	switch {
	case list.Hunts == 0 && f.age != "":
		return codeError{exitIncomplete, "no hunt of that time is stored, so an empty list proves nothing: see `dwell status`"}
	case list.Hunts == 0 && list.Total == 0:
		return codeError{exitIncomplete, "no hunt is stored yet, so this says nothing about the network: `dwell hunt --write` stores one, after `dwell install`"}
	case list.Total > 0:
		return nil
	case f.findingID != "":
		return hint(fmt.Errorf("there is no finding %s, or another filter leaves it out", f.findingID), "`dwell findings` lists the ids; a safelisted one needs --show-safelisted")
	case f.campaign != "":
		return hint(fmt.Errorf("there is no campaign %s, or another filter leaves it out", f.campaign), "`dwell findings` lists campaigns with their ids; safelisted ones need --show-safelisted")
	}
	newest, err := st.Hunts(ctx, 1)
	if err != nil {
		return err
	}
	if len(newest) == 1 && newest[0].Dwell.Hunt.Connections == 0 && newest[0].Dwell.Hunt.Scored == 0 {
		return codeError{exitIncomplete, "the newest hunt analyzed nothing, so an empty list proves nothing: see `dwell status`"}
	}
	all, err := st.Findings(ctx, store.Filter{Limit: 1})
	if err != nil {
		return err
	}
	if all.Total > 0 {
		a.say("dwell: hint: %s stored in all: leave a filter out, or add --show-safelisted", hunt.Many(all.Total, "finding"))
	}
	return nil
}

// filterEach adds what is decided per finding: the current safelist and the filters by evidence. It counts the findings
// that lack what those filters need.
func (f *findingsFlags) filterEach(a *app, settings *config.Loaded, filter *store.Filter) (lacking []*lack, err error) {
	remark, err := a.remarker(settings)
	if err != nil {
		return nil, err
	}
	by, err := f.evidence()
	if err != nil {
		return nil, err
	}
	var since time.Time
	if f.new != "" {
		age, _ := config.ParseDuration(f.new) // checked by evidence
		since = a.Now().Add(-age)
	}
	lacking = f.lacks()
	hide := filter.HideSafelisted && f.format != string(output.Blocks) // which says why it leaves one out
	filter.HideSafelisted = false
	filter.Where = func(x *hunt.Finding) bool {
		remark(x)
		if hide && x.Dwell.Safelisted {
			return false
		}
		for _, l := range lacking {
			if l.missing(x) {
				l.n++
				return false
			}
			l.known = true
		}
		if !by(x) || f.new != "" && !output.FirstSeen(x).After(since) {
			return false
		}
		return f.format != string(output.Blocks) || x.Dwell.Disposition == hunt.Escalated
	}
	return lacking, nil
}

// isHost reports whether a host or user name is the wanted one, with or without its domain.
func (f *findingsFlags) isHost(name string) bool {
	short, _, _ := strings.Cut(name, ".")
	return strings.EqualFold(name, f.host) || strings.EqualFold(short, f.host)
}

// ofHost reports whether a finding's host has the wanted name or user.
func (f *findingsFlags) ofHost(x *hunt.Finding) bool {
	e := x.Dwell.Evidence
	return e != nil && e.Host != nil && slices.ContainsFunc(slices.Concat(e.Host.Names, e.Host.Users), f.isHost)
}

var ja4Form = regexp.MustCompile(`^[tqd][0-9a-z]{2}[di]\d{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$`)

// asNumber reads the number of an autonomous system, AS64500 or 64500; 0 for no text.
func asNumber(flag, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(text), "AS"), 10, 32)
	if err != nil || n == 0 {
		return 0, usage("%s %q is not the number of an autonomous system, as in AS64500", flag, text)
	}
	return int64(n), nil
}

// evidence makes the filters by autonomous system, country and fingerprint, and checks their values and that of --new.
func (f *findingsFlags) evidence() (func(*hunt.Finding) bool, error) {
	asn, err := asNumber("--asn", f.asn)
	if err != nil {
		return nil, err
	}
	country := strings.ToUpper(f.country)
	if country != "" && (len(country) != 2 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return nil, usage("--country %q is not a country's two letters (ISO 3166), as in DE", f.country)
	}
	ja4 := strings.TrimPrefix(strings.ToLower(f.ja4), "ja4=")
	if ja4 != "" && !ja4Form.MatchString(ja4) {
		return nil, usage("--ja4 %q is not a JA4 fingerprint, as in t13d1516h2_8daaf6152771_b186095e22b6", f.ja4)
	}
	if f.new != "" {
		if _, err := config.ParseDuration(f.new); err != nil {
			return nil, usage("--new: %v", err)
		}
	}
	return func(x *hunt.Finding) bool {
		e := x.Dwell.Evidence
		if e == nil {
			e = &hunt.Evidence{}
		}
		if asn != 0 && (e.ASN == nil || e.ASN.Number != asn) || country != "" && e.Country != country {
			return false
		}
		if f.host != "" && !f.ofHost(x) {
			return false
		}
		shows := e.Protocol != nil && slices.Contains(e.Protocol.JA4, ja4) || x.Dwell.Destination != nil && x.Dwell.Destination.Fingerprint == "ja4="+ja4
		return ja4 == "" || shows
	}, nil
}

// filter converts the flags for the store.
func (f *findingsFlags) filter(a *app) (store.Filter, error) {
	severity, err := severityRank(f.severity)
	if err != nil {
		return store.Filter{}, err
	}
	filter := store.Filter{MinSeverity: severity, MinScore: f.minScore, Disposition: f.status, Campaign: f.campaign, HuntID: f.huntID, FindingID: f.findingID,
		Every: f.every, HideSafelisted: !f.safelisted, Sort: store.Order(f.sort), Limit: f.limit}
	for _, i := range f.indicators {
		name, err := hunt.ParseIndicator(i)
		if err != nil {
			return filter, usage("--indicator: %v", err)
		}
		filter.Indicators = append(filter.Indicators, name)
	}
	if f.huntID != "" && !isIDPrefix(f.huntID) {
		return filter, notHunt(f.huntID)
	}
	if f.campaign != "" && !isIDPrefix(f.campaign) {
		return filter, usage("--campaign %q is not the id of a campaign, or its first %d hexadecimal digits or more", f.campaign, leastID)
	}
	if f.findingID != "" && !isIDPrefix(f.findingID) {
		return filter, usage("--id %q is not the id of a finding, or its first %d hexadecimal digits or more", f.findingID, leastID)
	}
	if f.source != "" {
		if filter.Source, err = config.ParsePrefix(f.source); err != nil {
			return filter, usage("--source %q is neither an address nor a network, as in 10.1.4.22 or 10.1.4.0/24", f.source)
		}
	}
	if f.destination != "" {
		if filter.Destination, err = config.ParsePrefix(f.destination); err != nil {
			filter.Destination, filter.Domain = netip.Prefix{}, strings.TrimPrefix(strings.ToLower(f.destination), "*.")
			if !isName(filter.Domain) {
				return filter, usage("--destination %q is not an address, a network or a name (--asn, --country and --ja4 are for others)", f.destination)
			}
		}
	}
	if f.age != "" {
		age, err := config.ParseDuration(f.age)
		if err != nil {
			return filter, usage("--since: %v", err)
		}
		filter.Since = a.Now().Add(-age)
	}
	if _, err := f.evidence(); err != nil {
		return filter, err
	}
	if err := filter.Validate(); err != nil {
		return filter, usageError{err}
	}
	return filter, nil
}
