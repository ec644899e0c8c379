package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// find lists the files below the paths, in order of their names. Folders give what is named like a log; a file that is
// named outright is taken as it is.
func find(paths []string) ([]string, error) {
	if len(paths) == 0 {
		return nil, errors.New("no path to Zeek logs given")
	}
	var out []string
	for _, p := range paths {
		err := filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Type().IsRegular() && (path == p || logName(path) != "") {
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%w", err)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
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

// lines reads a Zeek log, TSV or JSON, record by record. err says why it stopped, if not at the end.
type lines struct {
	path    string
	named   string
	file    *os.File
	free    func()
	in      *bufio.Reader
	line    []byte
	ahead   bool
	number  int
	err     error
	header  header
	scratch []byte
}

// open opens a log, packed or not, and reads up to its first record, for the header names the log.
func open(path string) (*lines, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	l := &lines{path: abs, named: logName(path), file: f}
	raw := bufio.NewReaderSize(f, 64<<10)
	magic, _ := raw.Peek(4)
	var in io.Reader = raw
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		in, err = gzip.NewReader(raw)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(raw, zstd.WithDecoderConcurrency(1)); err == nil {
			l.free, in = z.Close, z
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("unpack %s: %w", path, err), f.Close())
	}
	l.in = bufio.NewReaderSize(in, 1<<20)
	l.ahead = l.next()
	return l, nil
}

// Close gives the file back.
func (l *lines) Close() {
	if l.free != nil {
		l.free()
	}
	_ = l.file.Close()
}

// log is the name of the log, by its header, or else by the file's name.
func (l *lines) log() string {
	if l.header.path != "" {
		return l.header.path
	}
	return l.named
}

// next moves to the next record's line, past headers and empty lines.
func (l *lines) next() bool {
	if l.ahead {
		l.ahead = false
		return true
	}
	for l.err == nil {
		line, err := l.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			l.err = fmt.Errorf("line %d is longer than 1 MiB: this is no Zeek log", l.number+1)
			return false
		}
		if err != nil && !errors.Is(err, io.EOF) {
			l.err = err
			return false
		}
		if len(line) > 0 {
			l.number++
			l.line = bytes.TrimRight(line, "\r\n")
			if len(l.line) > 0 && !l.header.take(l.line) {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
	return false
}

// record gives the current line as Zeek's JSON. The bytes are good until the next call.
func (l *lines) record() ([]byte, error) {
	if l.line[0] == '{' {
		return l.line, nil
	}
	var err error
	l.scratch, err = l.header.json(l.scratch[:0], l.line)
	return l.scratch, err
}
