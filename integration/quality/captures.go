package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// capturesDir is where the captures lie, if they are there: beside the folder that go.mod is in.
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

// benign is a series of a capture that nobody calls malicious.
type benign struct {
	times seconds
	// hosts is how many hosts of the capture talk to the same destination.
	hosts int
	// heldOut series are of machines that no statistic was tuned on.
	heldOut bool
	// log, source and destination say which it is.
	log, source, destination string
}

// heldOut says whether a machine of a capture is held out: one of two desktops, one of two things, every other machine of the office.
func heldOut(log, source string) bool {
	switch log, _, _ := strings.Cut(log, "/"); log {
	case "ctu-normal-011", "iot23-21-1-torii":
		return true
	case "rita":
		return (source[len(source)-1]-'0')%2 == 1
	}
	return false
}

// captureLog is a log of a capture: whose series are read, and what their destination is.
type captureLog struct {
	log, destination, prefix string
	malicious                []string
}

// benignSets are the sets of benign series that beacons are injected into. The first has the narrowest keys, the
// second as many series, 1,528, as the set that the targets were measured on (of which only that number is known): a web
// server's address instead of the name asked for, and of the two desktops the TLS names alone.
func benignSets() [2][]captureLog {
	const desktops, things = "147.32.", "192.168.100."
	return [...][]captureLog{
		{
			{"rita/office_http/http.log.gz", "host", "10.55.", nil},
			{"ctu-normal-008/conn.log.gz", "id.resp_h", desktops, nil},
			{"ctu-normal-011/conn.log.gz", "id.resp_h", desktops, nil},
			{"iot23-8-1-hakai/conn.log.gz", "id.resp_h", things, []string{"178.128.185.250", "128.185.250.50"}},
			{"iot23-21-1-torii/conn.log.gz", "id.resp_h", things, []string{"66.85.157.90"}},
		},
		{
			{"rita/office_http/http.log.gz", "id.resp_h", "10.55.", nil},
			{"ctu-normal-008/ssl.log.gz", "server_name", desktops, nil},
			{"ctu-normal-011/ssl.log.gz", "server_name", desktops, nil},
		},
	}
}

// benignSeries reads the benign series of four connections or more of some logs: by source, destination (name or
// address) and port, but for name and time servers, which the protocol explains; the last 24 hours of each capture, seconds from its window's start.
func benignSeries(dir string, logs []captureLog) ([]benign, error) {
	var out []benign
	for _, c := range logs {
		type key struct{ src, dst, port string }
		series, hosts := map[key]seconds{}, map[string]map[string]bool{}
		newest := 0.0
		err := eachLine(filepath.Join(dir, c.log), []string{"ts", "id.orig_h", c.destination, "id.resp_p"}, func(v []string) error {
			if !strings.HasPrefix(v[1], c.prefix) || v[2] == "" || v[3] == "53" || v[3] == "123" || strings.HasPrefix(v[2], c.prefix) {
				return nil
			}
			for _, m := range c.malicious {
				if v[2] == m {
					return nil
				}
			}
			ts, err := strconv.ParseFloat(v[0], 64)
			if err != nil {
				return fmt.Errorf("time %q: %w", v[0], err)
			}
			newest = max(newest, ts)
			k := key{v[1], v[2], v[3]}
			series[k] = append(series[k], ts)
			if hosts[v[2]] == nil {
				hosts[v[2]] = map[string]bool{}
			}
			hosts[v[2]][v[1]] = true
			return nil
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

// eachLine gives the values of some columns of a Zeek TSV log, empty where "-".
func eachLine(path string, columns []string, do func([]string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read benign series: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read benign series %s: %w", path, err)
	}
	at := make([]int, len(columns))
	values := make([]string, len(columns))
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		v := strings.Split(lines.Text(), "\t")
		if v[0] == "#fields" {
			for i, c := range columns {
				at[i] = -1
				for j, name := range v[1:] {
					if name == c {
						at[i] = j
					}
				}
				if at[i] < 0 {
					return fmt.Errorf("read benign series %s: no column %s", path, c)
				}
			}
		}
		if strings.HasPrefix(v[0], "#") {
			continue
		}
		for i, j := range at {
			values[i] = ""
			if j < len(v) && v[j] != "-" {
				values[i] = v[j]
			}
		}
		if err := do(values); err != nil {
			return fmt.Errorf("read benign series %s: %w", path, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read benign series %s: %w", path, err)
	}
	return nil
}
