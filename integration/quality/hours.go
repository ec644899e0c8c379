package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"dwell/query/zeek/log"
	"dwell/scoring"
)

// commands are the captures' command-and-control servers (truth.json), with the logs that hold their connections.
type commands struct {
	name, source, logs string
	servers            []string
}

func captured() []commands {
	return []commands{
		{"Kovter", "192.168.1.113", "ctu-kovter-009/http.log.gz", []string{"189.241.104.183", "198.36.88.21", "82.245.149.235", "189.90.217.247"}},
		{"Hakai", "192.168.100.113", "iot23-8-1-hakai/conn.log.gz", []string{"178.128.185.250", "128.185.250.50"}},
		{"missing_host", "73.54.23.243", "rita/missing_host/*/http.*", []string{"64.225.56.201"}},
	}
}

// hours cuts real command-and-control traffic into hours, each laid alone into an empty day, and returns those that a
// hunt would show at medium or more by timing and rarity, of those with at least so many connections. RITA's are those
// with a beacon score above 0.5, its medium.
func hours(dir string, of commands, least int) (n, ours, theirs int, err error) {
	files, err := filepath.Glob(filepath.Join(dir, of.logs))
	if err != nil {
		return 0, 0, 0, fmt.Errorf("hours of %s: %w", of.name, err)
	}
	pieces := map[string]map[int64][]int64{} // starts (ms) by server and hour of the epoch
	for _, f := range files {
		err := eachRecord(f, []log.Field{log.OrigH, log.RespH}, func(r *log.Record) {
			k := string(r.Text(log.RespH))
			if string(r.Text(log.OrigH)) != of.source || !slices.Contains(of.servers, k) {
				return
			}
			if pieces[k] == nil {
				pieces[k] = map[int64][]int64{}
			}
			pieces[k][r.Start/3600e3] = append(pieces[k][r.Start/3600e3], r.Start)
		})
		if err != nil {
			return 0, 0, 0, err
		}
	}
	var sc scoring.Scorer
	w := scoring.Window{Start: epoch, End: epoch + 86400e3}
	for k := range pieces {
		for hour, starts := range pieces[k] {
			if len(starts) < least {
				continue
			}
			slices.Sort(starts)
			var s scoring.Series
			for _, at := range starts {
				s.Start = append(s.Start, epoch+10*3600e3+at-hour*3600e3)
			}
			n++
			if hunted(&sc, s, w, manyKeys) >= 0.4 {
				ours++
			}
			for range s.Start {
				s.Size = append(s.Size, 100)
			}
			if v, ok := sc.RITA(s, scoring.RITAWindow{Min: w.Start / 1000, Max: w.End / 1000}); ok && v.Score > 0.5 {
				theirs++
			}
		}
	}
	return n, ours, theirs, nil
}

// printHours prints a row per capture, and returns how many are below two thirds.
func printHours(out io.Writer, dir string) (missed int, err error) {
	fmt.Fprintln(out, "-- an hour of real command-and-control in a day (share of medium or more; RITA's at its medium beside it)")
	for _, of := range captured() {
		for _, least := range []int{4, 12} {
			n, ours, theirs, err := hours(dir, of, least)
			if err != nil {
				return missed, err
			}
			if n == 0 {
				continue
			}
			verdict := ""
			if 3*ours < 2*n {
				verdict = "  MISSED"
				missed++
			}
			fmt.Fprintf(out, "%-52s %6d %7.3f %7.3f %7s %7s %7s | %7.3f%s\n", fmt.Sprintf("%s, an hour with %d connections or more", of.name, least), n, 2./3, float64(ours)/float64(n), "", "", "", float64(theirs)/float64(n), verdict)
		}
	}
	return missed, nil
}
