package load

import (
	"errors"
	"strings"

	"dwell/integration/load/sodoc"
)

// header is what a TSV log has said of itself so far.
type header struct {
	// path is the log's name, empty when the log does not give it.
	path    string
	columns sodoc.Columns
	// foreign says that the separator is another one than the tab.
	foreign bool
}

// take reads a line that begins with #, and says whether it was one.
func (h *header) take(line []byte) bool {
	if line[0] != '#' {
		return false
	}
	if sep, ok := strings.CutPrefix(string(line), "#separator "); ok {
		// A new header, also in the middle of a file that was put together from several.
		*h = header{foreign: sep != `\x09` && sep != `\t`}
		return true
	}
	key, value, _ := strings.Cut(string(line), "\t")
	switch key {
	case "#fields":
		h.columns.Names = strings.Split(value, "\t")
	case "#types":
		h.columns.Types = strings.Split(value, "\t")
	case "#path":
		h.path = value
	case "#set_separator":
		h.columns.SetSeparator = value
	case "#unset_field":
		h.columns.Unset = value
	case "#empty_field":
		h.columns.Empty = value
	}
	return true
}

// json turns a line into the JSON that Zeek would have written.
func (h *header) json(dst, line []byte) ([]byte, error) {
	switch {
	case h.foreign:
		return dst, errors.New("its columns are not separated by tabs")
	case len(h.columns.Names) == 0 || len(h.columns.Types) == 0:
		return dst, errors.New("no #fields and #types lines come before it")
	}
	return h.columns.AppendLine(dst, line)
}
