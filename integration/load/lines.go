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

// find lists the files below the paths, in order of their names. Folders give what is named like a log; a file that is
// named outright is taken as it is.
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

// nameExpr takes the log's name out of a file's: conn.log, conn.00:00:00-01:00:00.log.gz, conn_20261122.json.
var nameExpr = regexp.MustCompile(`^([a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*)(?:[._-][0-9][^/]*)?\.(?:log|json|ndjson)(?:\.gz|\.zst)?$`)

// logName gives the name of the log that a file is named after, or nothing. What a simulation says about itself
// (labels.json) is named so too, and is skipped later as a log that nobody knows.
func logName(path string) string {
	m := nameExpr.FindStringSubmatch(filepath.Base(path))
	if m == nil {
		return ""
	}
	return m[1]
}

// record gives a line as Zeek's JSON.
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
