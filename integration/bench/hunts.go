package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/query/elastic"
	"dwell/query/zeek"
)

// envHunt tells a child what to hunt in: the path of a log, or index and the name of one.
const (
	envHunt = "DWELL_BENCH_HUNT"
	inIndex = "index:"
)

// whole measures one whole hunt in a process of its own, whose peak memory is told.
func whole(ctx context.Context, name, in string, env []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env, cmd.Stderr = append(append(os.Environ(), env...), envHunt+"="+in), os.Stderr
	begun := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("hunt in %s: %w", name, err)
	}
	d := time.Since(begun)
	var connections, of, peak int
	if _, err := fmt.Sscan(string(out), &connections, &of, &peak); err != nil {
		return fmt.Errorf("hunt in %s: %w", name, err)
	}
	row(fmt.Sprintf("whole hunt in %s, %d connections", name, connections), d, connections, fmt.Sprintf("%.0f connections a second; peak %d MB, %.2f of 64 B a connection + 200 B a pair",
		float64(connections)/d.Seconds(), peak>>20, float64(peak)/float64(64*connections+200*of)))
	return nil
}

// peak is the most memory that this process has had, in bytes, 0 where Linux does not tell. What wait tells of a child
// will not do: that is at least what its parent had when it forked.
func peak() (bytes int) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		_, _ = fmt.Sscan(after, &bytes)
	}
	return bytes << 10
}

// child is the other process's part: one hunt, as dwell hunt carries it out, but for the evidence.
func child(ctx context.Context, in string) error {
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
	res, err := pipeline.Run(ctx, source, pipeline.Options{Request: req, Profile: pipeline.ProfileDwell, MinScore: 0.4, Now: time.Now})
	if err != nil {
		return err
	}
	_, err = fmt.Println(res.Document.Dwell.Hunt.Connections, res.Document.Dwell.Hunt.Pairs, peak())
	return errors.Join(err, complete(res.Reading, nil))
}

// files measures whole hunts over log files.
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
		if err := whole(ctx, f.name, path, nil); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
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
