// Command pictures draws dwell's dashboards for the documentation: each panel of so-config/kibana from a real
// Elasticsearch's answer to Lens's request. It writes one static page per dashboard, light or dark by the reader's
// scheme; make.sh turns them into docs/pictures. They show the dashboards' content, not Kibana's look.
//
//	DWELL_TEST_ELASTICSEARCH_URL=... go run ./integration/pictures -from 2026-03-02T00:00:00Z -to 2026-03-10T00:00:00Z -out DIR
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dwell/integration/pictures/lens"
	"dwell/internal/es"
	"dwell/so-config/kibana"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var from, to time.Time
	moment := func(t *time.Time) func(string) error {
		return func(s string) (err error) { *t, err = time.Parse(time.RFC3339, s); return err }
	}
	flag.Func("from", "start of the range of time, RFC 3339", moment(&from))
	flag.Func("to", "its end", moment(&to))
	filters := map[string]kibana.Condition{}
	flag.Func("filter", "DASHBOARD:FIELD:VALUE, as a click on another dashboard sets it (repeatable)", func(s string) error {
		part := strings.SplitN(s, ":", 3)
		if len(part) < 3 {
			return fmt.Errorf("%q is not of the form DASHBOARD:FIELD:VALUE", s)
		}
		filters[part[0]] = kibana.Condition{Field: part[1], Value: part[2]}
		return nil
	})
	out := flag.String("out", ".", "directory for the pages")
	flag.Parse()
	if !from.Before(to) {
		return fmt.Errorf("the range of time from %s to %s is empty: give -from and -to", from, to)
	}
	client, err := es.New(es.Config{Addresses: []string{os.Getenv("DWELL_TEST_ELASTICSEARCH_URL")}, CAFile: os.Getenv("DWELL_TEST_ELASTICSEARCH_CA_FILE"),
		Username: os.Getenv("DWELL_TEST_ELASTICSEARCH_USERNAME"), Password: os.Getenv("DWELL_TEST_ELASTICSEARCH_PASSWORD")})
	if err != nil {
		return err
	}
	for _, d := range kibana.Dashboards() {
		p := page{Title: d.Title, About: d.About, From: from, To: to}
		filter, filtered := filters[d.ID]
		if filtered {
			p.Filter = filter.Field + ": " + filter.Value
		}
		for _, panel := range d.Panels {
			if filtered {
				panel.Where = append(slices.Clone(panel.Where), filter)
			}
			rows, err := ask(ctx, client, panel, from, to)
			if err != nil {
				return fmt.Errorf("dashboard %s, panel %q: %w", d.ID, panel.Title, err)
			}
			p.Panels = append(p.Panels, draw(panel, rows))
		}
		if err := p.write(filepath.Join(*out, d.ID+".html")); err != nil {
			return err
		}
	}
	return nil
}

// ask runs the panel's request. A Text panel has none and no rows; for a Found panel each document is a row.
func ask(ctx context.Context, client *es.Client, panel kibana.Panel, from, to time.Time) ([]row, error) {
	body, err := lens.Request(&panel, from, to)
	if err != nil || body == nil {
		return nil, err
	}
	var rows []row
	index := kibana.Pattern
	if panel.Raw {
		index = "logs-zeek-so" // no other index of kibana.RawPattern exists
	}
	err = client.Search(ctx, es.SearchRequest{Op: "panel " + panel.Title, Index: []string{index}, Body: body}, func(r es.SearchResult) (err error) {
		if panel.Kind == kibana.Found {
			rows, err = documents(r.Hits, lens.Columns(&panel))
			return err
		}
		var aggs map[string]json.RawMessage
		if err := json.Unmarshal(r.Aggregations, &aggs); err != nil {
			return err
		}
		rows, err = flatten(aggs, nil, len(panel.By), len(panel.Values))
		return err
	})
	return rows, err
}
