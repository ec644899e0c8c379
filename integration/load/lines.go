package load

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"dwell/integration/load/sodoc"
	"dwell/query/zeek/log"
)

// find lists the files at the paths, sorted by name. A directory contributes files named like logs; a file given
// explicitly is always included.
func find(paths []string) ([]string, error) {
	out, err := log.List(paths)
	if err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(path string) bool { return logName(path) == "" && !slices.Contains(paths, path) })
	if len(out) == 0 {
		return nil, fmt.Errorf("no Zeek log (such as conn.log or dns.00:00:00-01:00:00.log.gz) in %s", strings.Join(paths, ", "))
	}
	return out, nil
}

// nameExpr extracts the log's name from a file name: conn.log, conn.00:00:00-01:00:00.log.gz, conn_20261122.json.
var nameExpr = regexp.MustCompile(`^([a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*)(?:[._-][0-9][^/]*)?\.(?:log|json|ndjson)(?:\.gz|\.zst)?$`)

// logName returns the name of the log that a file is named after, or nothing. A simulation's labels.json matches too,
// and is skipped later as an unknown log.
func logName(path string) string {
	m := nameExpr.FindStringSubmatch(filepath.Base(path))
	if m == nil {
		return ""
	}
	return m[1]
}

// record returns a line as Zeek's JSON.
func record(h *log.Header, line []byte) ([]byte, error) {
	switch {
	case line[0] == '{':
		return line, nil
	case h.Separator != '\t':
		return nil, errors.New("its columns are not separated by tabs")
	case len(h.Names) == 0 || len(h.Types) == 0:
		return nil, errors.New("no #fields and #types lines come before it")
	}
	c := sodoc.Columns{Names: h.Names, Types: h.Types, SetSeparator: string(h.SetSep), Empty: h.Empty, Unset: h.Unset}
	return c.AppendLine(nil, line)
}
