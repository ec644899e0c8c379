package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dwell/query/zeek/log"
)

// capturesDir is the captures' directory, beside the one with go.mod, if it exists.
func capturesDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find captures: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			return "", fmt.Errorf("find captures: no go.mod at or above %s", dir)
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, "..", "shared", "captures")
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("captures not found at %s", dir)
	}
	return dir, nil
}

// benign is a series of a capture not known to be malicious.
type benign struct {
	times seconds
	// hosts is the number of the capture's hosts that contact the same destination.
	hosts int
	// heldOut series are from hosts on which no statistic was tuned.
	heldOut bool
	// log, source and destination identify the series.
	log, source, destination string
}

// heldOut reports whether a capture's host is held out: one of two desktops, one of two IoT devices, every other office
// host.
func heldOut(log, source string) bool {
	switch log, _, _ := strings.Cut(log, "/"); log {
	case "ctu-normal-011", "iot23-21-1-torii":
		return true
	case "rita":
		return (source[len(source)-1]-'0')%2 == 1
	}
	return false
}

// captureLog is a log of a capture, with the field of the destination.
type captureLog struct {
	log         string
	destination log.Field
	prefix      string
	malicious   []string
}

// benignSets are the sets of benign series into which beacons are injected. The first has the narrowest candidates. The
// second has as many series, 1,528, as the set on which the targets were measured (only that number is known): a web
// server's address instead of its name, and only the TLS names of the two desktops.
func benignSets() [2][]captureLog {
	const desktops, things = "147.32.", "192.168.100."
	return [...][]captureLog{
		{
			{"rita/office_http/http.log.gz", log.Host, "10.55.", nil},
			{"ctu-normal-008/conn.log.gz", log.RespH, desktops, nil},
			{"ctu-normal-011/conn.log.gz", log.RespH, desktops, nil},
			{"iot23-8-1-hakai/conn.log.gz", log.RespH, things, []string{"178.128.185.250", "128.185.250.50"}},
			{"iot23-21-1-torii/conn.log.gz", log.RespH, things, []string{"66.85.157.90"}},
		},
		{
			{"rita/office_http/http.log.gz", log.RespH, "10.55.", nil},
			{"ctu-normal-008/ssl.log.gz", log.ServerName, desktops, nil},
			{"ctu-normal-011/ssl.log.gz", log.ServerName, desktops, nil},
		},
	}
}

// benignSeries reads the benign series with at least four connections: by source, destination (name or address) and
// port, in the last 24 hours of each capture, in seconds from the window's start. Name and time servers are left out,
// because their protocol explains them.
func benignSeries(dir string, logs []captureLog) ([]benign, error) {
	var out []benign
	for _, c := range logs {
		type key struct{ src, dst, port string }
		series, hosts := map[key]seconds{}, map[string]map[string]bool{}
		newest := 0.0
		err := eachRecord(filepath.Join(dir, c.log), []log.Field{log.OrigH, c.destination, log.RespP}, func(r *log.Record) {
			src, dst, port := string(r.Text(log.OrigH)), string(r.Text(c.destination)), string(r.Text(log.RespP))
			if !strings.HasPrefix(src, c.prefix) || dst == "" || port == "53" || port == "123" || strings.HasPrefix(dst, c.prefix) || slices.Contains(c.malicious, dst) {
				return
			}
			ts := float64(r.Start*1000+r.Micros) / 1e6
			newest = max(newest, ts)
			k := key{src, dst, port}
			series[k] = append(series[k], ts)
			if hosts[dst] == nil {
				hosts[dst] = map[string]bool{}
			}
			hosts[dst][src] = true
		})
		if err != nil {
			return nil, err
		}
		for k, t := range series {
			var inside seconds
			for _, x := range sorted(t) {
				if x >= newest-dayLength {
					inside = append(inside, x-(newest-dayLength))
				}
			}
			if len(inside) >= 4 {
				out = append(out, benign{inside, len(hosts[k.dst]), heldOut(c.log, k.src), c.log, k.src, k.dst + ":" + k.port})
			}
		}
	}
	return out, nil
}

// eachRecord calls do for a log's records, with these fields besides their times.
func eachRecord(path string, fields []log.Field, do func(*log.Record)) error {
	var report log.Report
	set, err := log.Look(context.Background(), []string{path}, 1, &report)
	if err != nil {
		return fmt.Errorf("read benign series: %w", err)
	}
	for _, left := range set.Left {
		return fmt.Errorf("read benign series %s: it %s", left.Path, left.What)
	}
	scan := log.Scan{Workers: 1, Kinds: []log.Kind{log.Conn, log.HTTPLog, log.SSLLog}, Fields: fields, New: func() log.Taker { return taker(do) }}
	if err := scan.Run(context.Background(), set.Files); err != nil {
		return fmt.Errorf("read benign series %s: %w", path, err)
	}
	for _, f := range set.Files {
		if report.Tell(f); len(report.Gaps) > 0 {
			return fmt.Errorf("read benign series %s: %s", path, report.Gaps[0])
		}
	}
	return nil
}

type taker func(*log.Record)

func (t taker) Take(r *log.Record, _ *log.Counts) (log.Problem, error) {
	t(r)
	return log.Fine, nil
}
func (taker) Flush() error { return nil }
