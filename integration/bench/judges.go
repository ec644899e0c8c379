package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"dwell/internal/evidence"
	"dwell/internal/evidence/intel"
	"dwell/internal/evidence/judges"
	"dwell/internal/hunt"
)

// The clocks for evidence: elapsed time, and this process's processor time, which depends less on other load.
const (
	wallClock      = "by the clock"
	processorClock = "processor time"
)

// processorTime is a clock that advances while this process computes.
func processorTime() time.Time {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for the own process
	return day.Add(time.Duration(u.Utime.Nano() + u.Stime.Nano()))
}

// timed is a judge whose time is measured.
type timed struct {
	judge    evidence.Judge
	name     string
	now      func() time.Time
	took     time.Duration
	subjects int
}

func (t *timed) Revision() string { return t.judge.Revision() }

func (t *timed) Judge(ctx context.Context, h *evidence.Hunt, subjects []*evidence.Candidate) (hunt.Remarks, error) {
	begun := t.now()
	remarks, err := t.judge.Judge(ctx, h, subjects)
	t.took, t.subjects = t.now().Sub(begun), len(subjects)
	return remarks, err
}

// allJudges are those of dwell hunt, with empty stores and lists.
func allJudges(ctx context.Context, now func() time.Time) (out []*timed, err error) {
	dir, err := os.MkdirTemp("", "dwell-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	set, err := judges.Open(ctx, judges.Settings{FirstSeen: filepath.Join(dir, "first-seen"), Feeds: &intel.Feeds{Now: now}})
	if err != nil {
		return nil, err
	}
	for _, j := range set.Judges {
		out = append(out, &timed{judge: j.Judge, name: j.Name, now: now})
	}
	return out, nil
}

// evidenceInFiles writes the day like Security Onion's Zeek, as compressed JSON, and measures its evidence.
func evidenceInFiles(ctx context.Context, dir string, t traffic) error {
	if err := writeDay(dir, t); err != nil {
		return err
	}
	for _, clock := range []string{wallClock, processorClock} {
		if err := weighed(ctx, "files", dir, clock, nil); err != nil {
			return err
		}
	}
	return nil
}

// hours is the number of files per log.
const hours = 24

func writeDay(dir string, t traffic) error {
	n := t.chunks()
	for h := range hours {
		if err := writeHour(dir, h, t, h*n/hours, (h+1)*n/hours); err != nil {
			return err
		}
	}
	return nil
}

func writeHour(dir string, hour int, t traffic, from, to int) (err error) {
	logs := map[string]io.Writer{}
	var closers []io.Closer
	defer func() {
		for _, c := range slices.Backward(closers) {
			err = errors.Join(err, c.Close())
		}
	}()
	put := func(log string, text []byte) {
		w := logs[log]
		if w == nil && err == nil {
			var f *os.File
			if f, err = os.Create(filepath.Join(dir, fmt.Sprintf("%s.%02d:00:00-%02d:00:00.log.gz", log, hour, hour+1))); err != nil {
				return
			}
			z, _ := gzip.NewWriterLevel(f, gzip.BestSpeed) // the level is valid
			buffer := bufio.NewWriterSize(z, 1<<16)
			closers = append(closers, f, z, flusher{buffer})
			w, logs[log] = buffer, buffer
		}
		if err == nil {
			_, err = w.Write(text)
		}
	}
	var b []byte
	for i := from; i < to; i++ {
		b = t.json(b[:0], i)
		put("conn", b)
		t.logs(i, func(log string, line []byte) { put(log, append(line, '\n')) })
	}
	return err
}

// flusher makes a buffer closable.
type flusher struct{ *bufio.Writer }

func (f flusher) Close() error { return f.Flush() }
