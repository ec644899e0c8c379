package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"golang.org/x/sync/errgroup"

	"dwell/integration/load/sodoc"
	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/query/elastic"
)

// bench is one run.
type bench struct {
	cfg    es.Config
	client *es.Client
	given  time.Duration
	rounds int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if what := os.Getenv(envHunt); what != "" {
		if err := child(ctx, what); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	n := flag.Int("connections", 300_000, "how many `connections` a day to load and read")
	heap := flag.String("heap", "4g", "Java heap of the server that is started")
	given := flag.Duration("given", time.Minute, "how long a rival may read before the rest is extrapolated")
	rounds := flag.Int("rounds", 4, "how often dwell and the null client read, turn by turn; the quickest counts")
	days := flag.Int("days", 0, "measure long windows alone: so many `days` of that many connections, kept as history")
	dir := flag.String("history", "", "with -days: the `folder` that has the days, or gets them; a temporary one by default")
	windows := flag.String("windows", "24h,168h,720h", "with -days: which windows are hunted, comma-separated")
	memory := flag.Int("memory", 1024, "with -days: hunt.memory in `MiB`")
	only := flag.Bool("files", false, "measure log files alone, without Elasticsearch")
	profile := flag.String("cpuprofile", "", "write a profile of this process, which is dwell and its rivals, to a `file`")
	times := flag.Int("times", 1, "with -days: read the days so many times, each time as the days before, so that long windows need no more disk")
	together := flag.Bool("together", false, "with -times: each time as other hosts of the same days, so that a large day needs little disk")
	hourly := flag.Bool("hourly", false, "measure the hourly hunt with history alone")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		defer func() { pprof.StopCPUProfile(); _ = f.Close() }()
	}
	if *only {
		fmt.Printf("%d processors, %s\n\n| what | time | us a record | against |\n|---|---|---|---|\n", runtime.NumCPU(), runtime.Version())
		if err := files(ctx, *n); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *days > 0 {
		if err := long(ctx, *dir, *n, *days, strings.Split(*windows, ","), *memory, *times, *together); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, *n, *heap, *hourly, &bench{given: *given, rounds: *rounds}); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n int, heap string, hourly bool, b *bench) (err error) {
	node, err := testnode.Open(ctx, testnode.Line8, testnode.Options{Heap: heap, FullJIT: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	b.cfg = config(node)
	if b.client, err = es.New(b.cfg); err != nil {
		return err
	}
	if hourly {
		index, err := b.load(ctx, n)
		if err != nil {
			return err
		}
		return b.hourly(ctx, index)
	}
	indices := map[int]string{}
	for _, n := range []int{n / 10, n} {
		if indices[n], err = b.load(ctx, n); err != nil {
			return err
		}
	}
	fmt.Printf("Elasticsearch %s (%s), heap %s, %d processors, %s\n\n| what | time | us a record | against |\n|---|---|---|---|\n", node.Version, node.Origin, heap, runtime.NumCPU(), runtime.Version())
	// Measure the small index first, so that the server warms up for such searches there.
	small, err := b.cluster(ctx, n/10, indices[n/10], false)
	if err != nil {
		return err
	}
	large, err := b.cluster(ctx, n, indices[n], true)
	if err != nil {
		return err
	}
	fmt.Printf("| cost a connection, %d against %d connections | | | %.2f x |\n", n, n/10, large/small)
	if err := b.hourly(ctx, indices[n]); err != nil {
		return err
	}
	if err := whole(ctx, "Elasticsearch", inIndex+indices[n], 1, node.Environment()); err != nil {
		return err
	}
	if err := weighed(ctx, "Elasticsearch", inIndex+indices[n], wallClock, node.Environment()); err != nil {
		return err
	}
	return files(ctx, n)
}

func config(node *testnode.Cluster) es.Config {
	return es.Config{Addresses: []string{node.URL}, CAFile: node.CAFile, Username: node.Username, Password: node.Password, Timeout: 5 * time.Minute}
}

// say reports progress on standard error.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// row prints a line of the table.
func row(what string, d time.Duration, records int, against string) {
	fmt.Printf("| %s | %.2f s | %.2f | %s |\n", what, d.Seconds(), micro(d, records), against)
}

func micro(d time.Duration, records int) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(max(records, 1))
}

// load fills an index with a day of traffic, unless it is complete.
func (b *bench) load(ctx context.Context, n int) (string, error) {
	index := "dwellbench-" + strconv.Itoa(n)
	t := traffic{n}
	have := map[string]struct {
		Mappings struct {
			Meta struct {
				Traffic int `json:"traffic"`
			} `json:"_meta"`
		}
	}{}
	mapping := es.Request{Method: "GET", Path: "/" + index + "/_mapping"}
	switch err := b.client.Do(ctx, es.Call{Op: "look for the index", Request: mapping, Decode: es.JSON(&have)}); {
	case err == nil && have[index].Mappings.Meta.Traffic == made:
		return index, nil
	case err == nil:
		if err := b.client.Do(ctx, es.Call{Op: "delete", Request: es.Request{Method: "DELETE", Path: "/" + index}}); err != nil {
			return "", err
		}
	case !es.Is(err, es.NotFound):
		return "", err
	}
	var template struct{ Template struct{ Mappings object } }
	if err := json.Unmarshal(sodoc.IndexTemplate(0), &template); err != nil {
		return "", err
	}
	settings := object{"number_of_shards": sodoc.DefaultShards, "number_of_replicas": 0, "refresh_interval": -1, "translog": object{"durability": "async"}}
	if err := b.client.Do(ctx, es.Call{Op: "make the index", Request: es.Request{Method: "PUT", Path: "/" + index, Body: encode(object{"settings": settings, "mappings": template.Template.Mappings})}}); err != nil {
		return "", err
	}
	begun := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for i := range t.chunks() {
		g.Go(func() error {
			body, docs, err := t.bulk(nil, i)
			if err != nil {
				return err
			}
			var answer struct {
				Errors bool
				Items  []struct{}
			}
			err = b.client.Do(gctx, es.Call{Op: "bulk", Request: esapi.BulkRequest{Index: index, Body: bytes.NewReader(body)}, Decode: es.JSON(&answer)})
			if err == nil && (answer.Errors || len(answer.Items) != docs) {
				err = fmt.Errorf("bulk %d: not all documents were taken", i)
			}
			if i%100 == 99 {
				say("loaded %d of %d connections, %.0f a second", (i+1)*chunk, n, float64((i+1)*chunk)/time.Since(begun).Seconds())
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return "", err
	}
	say("loaded %d connections in %s", n, time.Since(begun).Round(time.Second))
	if err := b.settle(ctx, index); err != nil {
		return "", err
	}
	mapping.Method, mapping.Body = "PUT", encode(object{"_meta": object{"traffic": made}})
	return index, b.client.Do(ctx, es.Call{Op: "mark the index as whole", Request: mapping})
}

// settle refreshes the index and waits for its merges, which would distort the measurement.
func (b *bench) settle(ctx context.Context, index string) error {
	refresh := es.Call{Op: "refresh", Request: es.Request{Method: "POST", Path: "/" + index + "/_refresh"}}
	if err := b.client.Do(ctx, refresh); err != nil {
		return err
	}
	for begun := time.Now(); ; {
		var stats struct {
			All struct {
				Total struct{ Merges struct{ Current int } }
			} `json:"_all"`
		}
		if err := b.client.Do(ctx, es.Call{Op: "ask for merges", Request: es.Request{Method: "GET", Path: "/" + index + "/_stats/merge"}, Decode: es.JSON(&stats)}); err != nil {
			return err
		}
		if stats.All.Total.Merges.Current == 0 {
			say("%s: merged within %s", index, time.Since(begun).Round(time.Second))
			return b.client.Do(ctx, refresh)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// cluster measures one index and returns dwell's cost per connection, in us.
func (b *bench) cluster(ctx context.Context, n int, index string, rivals bool) (float64, error) {
	req := hunt.Request{From: day, To: day.Add(24 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	own := fmt.Sprintf("dwell, %d connections", n)
	var of int
	d, null, records, err := b.both(ctx, index, func(s *elastic.Source) (int64, error) {
		table := pairs.NewTable()
		r, err := s.Read(ctx, req, func(batch []hunt.Connection) error { table.Add(batch); return nil })
		of = table.Len()
		return r.Connections, complete(r, err)
	})
	if err != nil {
		return 0, err
	}
	row(fmt.Sprintf("%s, %d pairs", own, of), d, records, fmt.Sprintf("%.2f x null client", d.Seconds()/null.Seconds()))
	row("null client, the same requests", null, records, "1")
	if !rivals {
		return micro(d, records), nil
	}
	r := rival{b.client, index, b.given}
	for _, way := range []struct {
		name string
		read func(context.Context) (int, error)
	}{
		{"point in time, search_after, 10,000 hits", r.pointInTime},
		{"composite, pages of 65,000, whole window", func(ctx context.Context) (int, error) { return r.composite(ctx, 65_000) }},
		{"composite, pages of 1,000, whole window", func(ctx context.Context) (int, error) {
			return rival{r.client, index, b.given / 4}.composite(ctx, 1000)
		}},
	} {
		say("%s ...", way.name)
		begun := time.Now()
		got, err := way.read(ctx)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", way.name, err)
		}
		took := time.Since(begun)
		if got < records {
			took = time.Duration(float64(took) / float64(got) * float64(records))
			way.name += fmt.Sprintf(" (extrapolated from %d records)", got)
		}
		row(way.name, took, records, fmt.Sprintf("%.1f x dwell", took.Seconds()/d.Seconds()))
	}
	return micro(d, records), b.others(ctx, index, req)
}

// others measures names and DNS.
func (b *bench) others(ctx context.Context, index string, req hunt.Request) error {
	for _, log := range []struct {
		what string
		read func(*elastic.Source) (int64, error)
	}{
		{"names (TLS and HTTP)", func(s *elastic.Source) (int64, error) {
			names := pairs.NewNames(pairs.Budget{})
			r, err := s.ReadNames(ctx, req, func(batch []hunt.NameRecord) error { names.Add(batch); return nil })
			return r.Connections, complete(r, err)
		}},
		{"DNS queries", func(s *elastic.Source) (int64, error) {
			dns := pairs.NewDNS(pairs.Budget{})
			r, err := s.ReadDNS(ctx, req, func(batch []hunt.DNSRecord) error { dns.Add(batch); return nil })
			return r.Connections, complete(r, err)
		}},
	} {
		d, null, records, err := b.both(ctx, index, log.read)
		if err != nil {
			return err
		}
		row(fmt.Sprintf("dwell, %d %s", records, log.what), d, records, fmt.Sprintf("%.2f x null client", d.Seconds()/null.Seconds()))
	}
	return nil
}

// both lets dwell and the null client send the same requests in turn, and returns the quickest of each.
func (b *bench) both(ctx context.Context, index string, read func(*elastic.Source) (int64, error)) (d, null time.Duration, records int, err error) {
	network, err := es.Network(b.cfg)
	if err != nil {
		return 0, 0, 0, err
	}
	// The second reader profits from the first one's caches. The null client needs dwell's requests, so it is second in
	// the first round; afterwards they alternate.
	var last *recorder
	for i := range b.rounds {
		rec := &recorder{next: network}
		cfg := b.cfg
		cfg.Transport = rec
		client, err := es.New(cfg)
		if err != nil {
			return 0, 0, 0, err
		}
		source, err := elastic.New(client, elastic.Options{Index: []string{index}})
		if err != nil {
			return 0, 0, 0, err
		}
		var own, other time.Duration
		replay := func(r *recorder) error {
			begun := time.Now()
			err := r.replay(ctx, elastic.DefaultConcurrency)
			other = time.Since(begun)
			return err
		}
		if i%2 == 1 {
			if err := replay(last); err != nil {
				return 0, 0, 0, err
			}
		}
		begun := time.Now()
		n, err := read(source)
		own = time.Since(begun)
		if err != nil {
			return 0, 0, 0, err
		}
		if i%2 == 0 {
			if err := replay(rec); err != nil {
				return 0, 0, 0, err
			}
		}
		last = rec
		say("%s: dwell %s, null client %s", index, own.Round(time.Millisecond), other.Round(time.Millisecond))
		if i == 0 || own < d {
			d = own
		}
		if i == 0 || other < null {
			null = other
		}
		records = int(n)
	}
	return d, null, records, nil
}

func complete(r hunt.Reading, err error) error {
	if err == nil && len(r.Gaps) > 0 {
		err = fmt.Errorf("the reading has gaps: %s", r.Gaps[0])
	}
	return err
}
