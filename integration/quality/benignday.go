package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"dwell/internal/evidence/judges"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/pipeline/rita"
	"dwell/query/zeek"
	"dwell/query/zeek/log"
)

// The benign day is that of a desktop; commands are laid into the day of its busiest host.
const (
	benignDay, benignNetwork = "ctu-normal-011", "147.32.80.0/20"
	// benignEach is the most hours of one capture that are laid in, benignLeast the least connections that one has.
	benignEach, benignLeast = 7, 12
)

// piece is an hour of real command-and-control traffic with one server.
type piece struct {
	server string
	lines  []map[string]any // conn and http records; ts is seconds from the hour's start
}

// piecesOf cuts a capture into hours, in a random but seeded order.
func piecesOf(dir string, of commands, r *rand.Rand) ([]piece, error) {
	files, err := filepath.Glob(filepath.Join(dir, of.logs))
	if err != nil {
		return nil, fmt.Errorf("hours of %s: %w", of.name, err)
	}
	type place struct {
		server string
		hour   int64
	}
	hours := map[place][]map[string]any{}
	fields := []log.Field{log.OrigH, log.OrigP, log.RespH, log.RespP, log.Duration, log.OrigBytes, log.RespBytes, log.Method, log.Host, log.URI, log.UserAgent}
	for _, f := range files {
		err := eachRecord(f, fields, func(r *log.Record) {
			server := string(r.Text(log.RespH))
			if string(r.Text(log.OrigH)) != of.source || !slices.Contains(of.servers, server) {
				return
			}
			at := place{server, r.Start / 3600e3}
			line := map[string]any{"ts": float64(r.Start%3600e3) / 1000, "id.orig_p": r.Port(log.OrigP), "id.resp_h": server, "id.resp_p": r.Port(log.RespP),
				"orig_bytes": max(300, r.Count(log.OrigBytes)), "resp_bytes": max(200, r.Count(log.RespBytes)), "duration": 0.2}
			if d := r.Interval(log.Duration); d > 0 {
				line["duration"] = float64(d) / 1000
			}
			for name, f := range map[string]log.Field{"method": log.Method, "host": log.Host, "uri": log.URI, "user_agent": log.UserAgent} {
				if r.Has(f) {
					line[name] = string(r.Text(f))
				}
			}
			hours[at] = append(hours[at], line)
		})
		if err != nil {
			return nil, err
		}
	}
	var places []place
	for at, lines := range hours {
		if len(lines) >= benignLeast {
			places = append(places, at)
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.server != b.server {
			return slices.Index(of.servers, a.server) - slices.Index(of.servers, b.server)
		}
		return int(a.hour - b.hour)
	})
	r.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	var out []piece
	for _, at := range places[:min(benignEach, len(places))] {
		out = append(out, piece{at.server, hours[at]})
	}
	return out, nil
}

// busiest is the day's internal host with the most connections, and the day's first second.
func busiest(dir string) (host string, first int64, err error) {
	counts, network := map[string]int{}, netip.MustParsePrefix(benignNetwork)
	err = eachRecord(filepath.Join(dir, benignDay, "conn.log.gz"), []log.Field{log.OrigH}, func(r *log.Record) {
		if first == 0 || r.Start/1000 < first {
			first = r.Start / 1000
		}
		h := string(r.Text(log.OrigH))
		if a, err := netip.ParseAddr(h); err != nil || !network.Contains(a) {
			return
		}
		if counts[h]++; counts[h] > counts[host] {
			host = h
		}
	})
	return host, first, err
}

// layIn writes a piece as logs of that host, from a second on, beside links to the day's own.
func layIn(dir, logs string, p piece, host string, from int64) error {
	own, err := filepath.Glob(filepath.Join(dir, benignDay, "*.log.gz"))
	if err != nil {
		return err
	}
	for _, f := range own {
		if err := os.Symlink(f, filepath.Join(logs, filepath.Base(f))); err != nil {
			return err
		}
	}
	var conn, http bytes.Buffer
	for i, line := range p.lines {
		base := map[string]any{"ts": float64(from) + line["ts"].(float64), "uid": fmt.Sprintf("Cc2%d", i), "id.orig_h": host}
		for _, name := range []string{"id.orig_p", "id.resp_h", "id.resp_p"} {
			base[name] = line[name]
		}
		c, h := maps.Clone(base), maps.Clone(base)
		maps.Copy(c, map[string]any{"_path": "conn", "proto": "tcp", "conn_state": "SF", "orig_ip_bytes": line["orig_bytes"], "resp_ip_bytes": line["resp_bytes"]})
		for _, name := range []string{"orig_bytes", "resp_bytes", "duration"} {
			c[name] = line[name]
		}
		if err := json.NewEncoder(&conn).Encode(c); err != nil {
			return err
		}
		if line["method"] == nil {
			continue
		}
		h["_path"] = "http"
		for _, name := range []string{"method", "host", "uri", "user_agent"} {
			if v := line[name]; v != nil {
				h[name] = v
			}
		}
		if err := json.NewEncoder(&http).Encode(h); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(logs, "c2conn.log"), conn.Bytes(), 0o600); err != nil || http.Len() == 0 {
		return err
	}
	return os.WriteFile(filepath.Join(logs, "c2http.log"), http.Bytes(), 0o600)
}

// laidIn hunts in the benign day with an hour of command-and-control, and reports whether a finding about its server
// is medium or more, by both profiles.
func laidIn(ctx context.Context, dir string, p piece, host string, from int64) (found [2]bool, err error) {
	logs, err := os.MkdirTemp("", "quality.")
	if err != nil {
		return found, err
	}
	defer os.RemoveAll(logs)
	if err := layIn(dir, logs, p, host, from); err != nil {
		return found, err
	}
	set, err := judges.Open(ctx, judges.Settings{})
	if err != nil {
		return found, err
	}
	scope := hunt.NewScope([]netip.Prefix{netip.MustParsePrefix(benignNetwork)}, hunt.Outbound)
	for i, ranking := range []pipeline.Ranking{rank.Ranking{Judges: set.List()}, rita.Ranking{}} {
		res, err := pipeline.Run(ctx, zeek.New(zeek.Options{Paths: []string{logs}}), pipeline.Options{Ranking: ranking, MinScore: 0.4, Now: time.Now, Request: hunt.Request{Scope: scope}})
		if err != nil {
			return found, err
		}
		server := netip.MustParseAddr(p.server)
		for at := range res.Findings {
			f := &res.Findings[at]
			found[i] = found[i] || f.Dwell.Score >= 0.4 && (f.Destination.IP == server || slices.Contains(f.Dwell.Evidence.Addresses, server))
		}
	}
	return found, nil
}

// printBenignDay prints a row per capture, and returns how many are below two thirds.
func printBenignDay(ctx context.Context, out io.Writer, dir string) (missed int, err error) {
	host, first, err := busiest(dir)
	if err != nil {
		return 0, err
	}
	fmt.Fprintln(out, "-- the same in a real benign day of its busiest host, hunted with all evidence (share of medium or more; RITA's profile beside it)")
	r := rand.New(rand.NewPCG(4, 4))
	for _, of := range captured() {
		pieces, err := piecesOf(dir, of, r)
		if err != nil {
			return missed, err
		}
		var ours, theirs float64
		for _, p := range pieces {
			found, err := laidIn(ctx, dir, p, host, first+3600*(6+r.Int64N(14)))
			if err != nil {
				return missed, err
			}
			if found[0] {
				ours++
			}
			if found[1] {
				theirs++
			}
		}
		n, verdict := float64(len(pieces)), ""
		if 3*ours < 2*n {
			verdict = "  MISSED"
			missed++
		}
		fmt.Fprintf(out, "%-52s %6d %7.3f %7.3f %7s %7s %7s | %7.3f%s\n", of.name+", laid into a benign day", len(pieces), 2./3, ours/n, "", "", "", theirs/n, verdict)
	}
	return missed, nil
}
