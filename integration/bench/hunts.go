package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dwell/integration/testnode"
	"dwell/internal/collector"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/query/elastic"
	"dwell/query/zeek"
)

// envHunt is what a child process hunts in: the path of a log, or index and its name.
const (
	envHunt = "DWELL_BENCH_HUNT"
	inIndex = "index:"
	// envJudges is the clock for measuring evidence; without it evidence is off.
	envJudges = "DWELL_BENCH_JUDGES"
)

// outcome is the result of a hunt in its own process.
type outcome struct {
	Connections, Pairs, Peak, Findings int
	// Read and Evidence are the stages' seconds, Judges those of each judge.
	Read, Evidence float64
	Judges         []took
	// Processor is the processor time of the whole hunt in seconds, for long windows.
	Processor float64 `json:",omitempty"`
	// Implant is what was found of the implant in long windows.
	Implant string `json:",omitempty"`
}

type took struct {
	Name    string
	Seconds float64
}

// apart runs one hunt in its own process.
func apart(ctx context.Context, name, in string, env []string) (o outcome, d time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, 0, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env, cmd.Stderr = append(append(os.Environ(), env...), envHunt+"="+in), os.Stderr
	begun := time.Now()
	out, err := cmd.Output()
	d = time.Since(begun)
	if err == nil {
		err = json.Unmarshal(out, &o)
	}
	if err != nil {
		err = fmt.Errorf("hunt in %s: %w", name, err)
	}
	return o, d, err
}

// whole measures whole hunts without evidence. Of the rounds it takes the quickest time and the largest memory peak.
func whole(ctx context.Context, name, in string, rounds int, env []string) error {
	var best time.Duration
	var of outcome
	for i := range rounds {
		o, d, err := apart(ctx, name, in, env)
		if err != nil {
			return err
		}
		if i == 0 || d < best {
			best = d
		}
		o.Peak = max(o.Peak, of.Peak)
		of = o
	}
	row(fmt.Sprintf("whole hunt in %s, %d connections", name, of.Connections), best, of.Connections, fmt.Sprintf("%.0f connections a second; peak %d MB, %.2f of 64 B a connection + 200 B a pair",
		float64(of.Connections)/best.Seconds(), of.Peak>>20, float64(of.Peak)/float64(64*of.Connections+200*of.Pairs)))
	return nil
}

// weighed compares the cost of the judges with that of reading in one hunt, by one of the clocks. Of two hunts it takes
// the one with the quicker evidence.
func weighed(ctx context.Context, name, in, clock string, env []string) error {
	var best outcome
	for i := range 2 {
		o, _, err := apart(ctx, name, in, append(slices.Clone(env), envJudges+"="+clock))
		if err != nil {
			return err
		}
		say("%s: reading %.2f s, evidence %.2f s (%s)", name, o.Read, o.Evidence, clock)
		if i == 0 || o.Evidence < best.Evidence {
			best = o
		}
	}
	text := fmt.Sprintf("%.2f x reading (%.2f s)", best.Evidence/best.Read, best.Read)
	for i, j := range best.Judges {
		text += fmt.Sprintf("%s %s %.2f s", map[bool]string{true: ":", false: ","}[i == 0], j.Name, j.Seconds)
	}
	row(fmt.Sprintf("evidence in %s, %d findings, %s", name, best.Findings, clock), time.Duration(best.Evidence*float64(time.Second)), best.Findings, text)
	return nil
}

// peak is the peak memory of this process in bytes, 0 if Linux does not report it. wait's figure for a child does not
// help: it is at least the parent's memory at the fork.
func peak() (bytes int) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		_, _ = fmt.Sscan(after, &bytes) // 0 where Linux does not tell.
	}
	return bytes << 10
}

// child runs one hunt in the other process, like dwell hunt, with evidence only if a clock is named.
func child(ctx context.Context, in string) error {
	if what, ok := strings.CutPrefix(in, inHistory); ok {
		return inKept(ctx, what)
	}
	req := hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}
	var source hunt.Source = zeek.New(zeek.Options{Paths: []string{in}})
	if name, ok := strings.CutPrefix(in, inIndex); ok {
		node, err := testnode.Open(ctx, testnode.Line8, testnode.Options{})
		if err != nil {
			return err
		}
		client, err := es.New(config(node))
		if err != nil {
			return err
		}
		if source, err = elastic.New(client, elastic.Options{Index: []string{name}}); err != nil {
			return err
		}
		req.From, req.To = day, day.Add(24*time.Hour)
	}
	o := pipeline.Options{Request: req, MinScore: 0.4, Now: time.Now}
	var weigh rank.Ranking
	var judges []*timed
	if clock := os.Getenv(envJudges); clock != "" {
		if clock == processorClock {
			o.Now = processorTime
		}
		var err error
		if judges, err = allJudges(ctx, o.Now); err != nil {
			return err
		}
		for _, j := range judges {
			weigh.Judges = append(weigh.Judges, j)
		}
	}
	o.Ranking = weigh
	defer profiled()()
	defer collector.Often()() // as dwell hunt does
	res, err := pipeline.Run(ctx, source, o)
	if err != nil {
		return err
	}
	h := &res.Document.Dwell.Hunt
	out := outcome{Connections: int(h.Connections), Pairs: int(h.Pairs), Peak: peak(), Read: h.Stages.Read, Evidence: h.Stages.Evidence}
	for _, j := range judges {
		out.Findings = max(out.Findings, j.subjects)
		out.Judges = append(out.Judges, took{j.name, j.took.Seconds()})
	}
	return errors.Join(json.NewEncoder(os.Stdout).Encode(out), complete(res.Reading, nil))
}

// reading measures reading a log into pairs and nothing more: the quickest of three runs, with that run's processor
// time, which depends less on other load.
func reading(ctx context.Context, name, path string) error {
	var best, work time.Duration
	var records int
	for i := range 3 {
		table := pairs.NewTable()
		begun, busy := time.Now(), processorTime()
		r, err := zeek.New(zeek.Options{Paths: []string{path}}).Read(ctx, hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)},
			func(batch []hunt.Connection) error { table.Add(batch); return nil })
		d := time.Since(begun)
		if err := complete(r, err); err != nil {
			return err
		}
		if i == 0 || d < best {
			best, work = d, processorTime().Sub(busy)
		}
		records = int(r.Records)
	}
	row(fmt.Sprintf("reading %s, %d connections", name, records), best, records, fmt.Sprintf("%.0f connections a second; %.2f s of the processor",
		float64(records)/best.Seconds(), work.Seconds()))
	return nil
}

// files measures readings of log files, and whole hunts over them.
func files(ctx context.Context, n int) (err error) {
	dir, err := os.MkdirTemp("", "dwell-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t := traffic{min(n, 1_000_000)}
	for _, f := range []struct {
		name  string
		lines func([]byte, int) []byte
	}{{"conn.log", t.tsv}, {"conn.log.gz", t.tsv}, {"conn.json.log", t.json}} {
		path := filepath.Join(dir, f.name)
		if err := write(path, t, f.lines); err != nil {
			return err
		}
		if err := reading(ctx, f.name, path); err != nil {
			return err
		}
		if err := whole(ctx, f.name, path, 3, nil); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return evidenceInFiles(ctx, dir, t)
}

func write(path string, t traffic, lines func([]byte, int) []byte) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var out io.Writer = f
	if filepath.Ext(path) == ".gz" {
		z := gzip.NewWriter(f)
		defer func() { err = errors.Join(err, z.Close()) }()
		out = z
	}
	var b []byte
	if filepath.Base(path) != "conn.json.log" {
		b = append(b, tsvHeader...)
	}
	for i := range t.chunks() {
		b = lines(b, i)
		if _, err := out.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}
