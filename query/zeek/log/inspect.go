package log

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// maxLine is the longest line that can be a record. Zeek's own are far shorter.
const maxLine = 16 << 20

// File is a log that was inspected.
type File struct {
	Path string
	// Root is the given path that led here.
	Root string
	// Size is in bytes, as stored.
	Size int64
	// Named is the log that the name promises, or empty.
	Named Kind
	// Explicit says that the user named this very file.
	Explicit bool
	// Kinds are the logs of the records seen in it. Unless Mixed is set, there are no others.
	Kinds map[Kind]bool
	Mixed bool
	// First is when the first good record began, Unix milliseconds; Has says that there is one.
	First int64
	Has   bool
	// Until is the latest time of the last record, Unix milliseconds, as far as the file's own time shows it.
	Until int64
	Tally

	written time.Time
	// head is the header at the beginning; loose and spread describe the layout of its JSON; note is what was odd.
	head   *Header
	loose  bool
	spread bool
	// base skips what comes before the array of the records.
	base *regexp.Regexp
	note string
	// silent says that it has no record and no line that might be one.
	silent bool
}

// Holds says whether the file may have records of one of these logs.
func (f *File) Holds(kinds ...Kind) bool {
	if f.Mixed {
		return true
	}
	for _, k := range kinds {
		if f.Kinds[k] {
			return true
		}
	}
	return false
}

// looked is how much of a file is inspected before it is left out, and how many records if the name does not say what
// it is.
const (
	lookedBytes   = 4 << 20
	lookedRecords = 64
)

// packedName is the name of a compressed file.
var packedName = regexp.MustCompile(`(?i)\.(gz|zst|bz2)$`)

// besideName is the name of what archives keep beside a log: checksums, signatures, indexes.
var besideName = regexp.MustCompile(`(?i)\.(md5|sha1|sha256|sha512|crc|sig|asc|idx|gzi)$`)

// containers are the members that have the records in answers of searches and exports.
var containers = regexp.MustCompile(`(?i)^\s*\{[^\[]*?"(?:hits|records|results?|rows|data|events|logs|items|value|values|docs|documents)"\s*:\s*\[\s*\{`)

// open opens a log so that each line is one record.
func (f *File) open(s *stream) *bufio.Reader {
	if !f.loose {
		return s.Reader
	}
	l := &loose{in: s.Reader}
	if f.base != nil {
		head, _ := s.Peek(64 << 10)
		if at := f.base.FindIndex(head); at != nil {
			_, _ = s.Discard(at[1] - 1) // Peek has it.
			l.base = true
		}
	}
	in := bufio.NewReaderSize(&small{in: l}, 64<<10)
	if f.spread {
		in = bufio.NewReaderSize(&spreader{in: in}, 64<<10)
	}
	return in
}

// inspect looks at the beginning of a file: is it a log, which one, and what is its first record.
func (f *File) inspect() error {
	f.Kinds, f.Until, f.head = map[Kind]bool{}, math.MaxInt64, newHeader()
	err := f.look()
	var again *looseError
	for errors.As(err, &again) {
		if err = again.why; f.loose && (f.spread || !again.lists) {
			break
		}
		f.loose, f.spread = true, f.spread || again.lists
		err = f.look()
	}
	if err != nil {
		return err
	}
	if f.Has && f.written.UnixMilli() >= f.First {
		f.Until = f.written.Add(slack).UnixMilli()
	}
	return nil
}

// slack is how far the clock of the host that wrote a file may be behind the sensor's.
const slack = 24 * time.Hour

// looseError says that a file's JSON is not one object a line; lists says that records are in lists inside objects.
type looseError struct {
	why   error
	lists bool
}

func (e *looseError) Error() string { return e.why.Error() }

func (f *File) look() error {
	s, err := openLog(f.Path, nil)
	if err != nil {
		return err
	}
	defer s.Close() // it is only read
	if s.wide {
		f.note = "it is UTF-16 text, as Windows PowerShell writes it, and was read as such"
	}
	head, _ := s.Peek(64 << 10)
	if containers.Match(head) && !bytes.Contains(head, []byte("\n{")) {
		f.loose, f.base = true, containers
	}
	f.loose = f.loose || bytes.HasPrefix(bytes.TrimLeft(head, "\ufeff \t\r\n"), []byte("["))
	in := f.open(s)
	l := looker{f: f, p: NewParser(OrigH, RespH), h: f.head}
	for l.bytes < lookedBytes {
		line, err := readLine(in, maxLine)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) && !l.begun {
			return &notLogError{what: "reading it ends with: " + err.Error(), hint: "copy it again", data: true}
		}
		l.bytes += len(line)
		if done, err := l.line(line); done || err != nil {
			return err
		}
		if err != nil {
			break
		}
	}
	return l.end()
}

// looker goes through the first lines of a file.
type looker struct {
	f     *File
	p     *Parser
	h     *Header
	bytes int
	// begun says that there was a line, first is the first one's number and why it was no record.
	begun   bool
	first   []byte
	why     problem
	records int
	torn    bool
}

// line takes a line. done says that enough was seen.
func (l *looker) line(line []byte) (done bool, err error) {
	line = clean(bytes.TrimRight(line, "\r\n"))
	if len(line) == 0 {
		return false, nil
	}
	l.begun = true
	if line[0] == '#' {
		l.h = l.h.with(line)
		return false, nil
	}
	if l.torn && line[0] != '{' && l.records == 0 && !l.f.loose {
		return false, &looseError{why: l.left()}
	}
	l.torn = false
	why := l.p.line(line, l.h)
	if why == noHeader || why == badTime && l.h == connHeader {
		if l.records == 0 && l.why == fine {
			if h := nameHeader(line); h != nil && (h.problem == "" || h.Separator == ' ') {
				if h.problem != "" {
					return false, &notLogError{"names its columns, but has spaces between them, which values may hold, too", "write it with tabs or commas", true}
				}
				l.f.head, l.h = h, h
				return false, nil
			}
		}
		if h := defaultHeader(line); h != nil {
			l.f.head, l.h = h, h
			l.f.note = "it has no #fields line; its columns were taken for those of Zeek's conn log in Zeek's own order"
			why = l.p.line(line, l.h)
		}
	}
	if why == several && l.records == 0 && !l.f.spread {
		return false, &looseError{l.left(), true}
	}
	if why != fine {
		if l.why == fine && why != foreign {
			l.why, l.first = why, bytes.Clone(line)
		}
		if line[0] == '{' && (why == tornJSON || why == badJSON) {
			l.torn = true
			if at := bytes.Index(line, []byte("}{")); at > 0 && l.records == 0 && !l.f.loose {
				return false, &looseError{why: l.left()}
			}
		}
		return false, nil
	}
	r := &l.p.Record
	kind := settle(l.f.Named, r.path, r.mark)
	l.f.Kinds[kind] = true
	if l.records++; l.records == 1 {
		l.f.First, l.f.Has = r.Start, true
		if kibanaTime(r.plain(TS)) || kibanaTime(r.plain(EventTime)) {
			l.f.note = "its times are as Kibana shows them, without a time zone, and were taken for UTC; exact times: set dateFormat:tz to UTC in Kibana before the export"
		}
	}
	if l.f.Named == kind && len(l.f.Kinds) == 1 {
		return true, nil
	}
	l.f.Mixed = true
	return l.records >= lookedRecords, nil
}

// end draws the conclusions at the end of the file, or when enough of it was seen.
func (l *looker) end() error {
	f := l.f
	switch {
	case l.records > 0:
		return nil
	case !l.begun && f.Size == 0 && packedName.MatchString(f.Path):
		return &notLogError{"has no bytes, and a packed log always has some", "copy it again", true}
	case !l.begun:
		f.silent, f.note = true, "this log is empty"
		if f.Named != "" {
			f.Kinds[f.Named] = true
		}
		return nil
	case l.h.kind != "" && !slices.Contains(read, l.h.kind):
		f.silent, f.Kinds[l.h.kind] = true, true
		return nil
	case l.why == fine && l.h.problem != "":
		return &notLogError{l.h.problem, "get the log as Zeek wrote it", true}
	case l.why == fine:
		f.silent = true
		if k := settle(f.Named, l.h.kind, l.h.mark); k != Other {
			f.Kinds[k] = true
		}
		return nil
	case l.torn && !f.loose:
		return &looseError{why: l.left()}
	}
	return l.left()
}

// left says why a file without a record is left out.
func (l *looker) left() error {
	named := slices.Contains(read, l.f.Named) && !besideName.MatchString(l.f.Path)
	switch {
	case !l.f.Explicit && strings.HasPrefix(keysOf(l.first), "its keys: schema_version, window.start, window.end, seed,"):
		l.f.silent = true // the labels of `dwell simulate`
		return nil
	case l.p.mark == suricata || bytes.Contains(l.first, []byte(`"event_type"`)):
		return &notLogError{"is Suricata's log (eve.json), no Zeek log", "hunt in Zeek's logs of the same traffic", false}
	case l.h.problem != "":
		return &notLogError{l.h.problem, "get the log as Zeek wrote it", true}
	case l.h.Names != nil:
		return &notLogError{"none of its lines is a record; the first: " + string(l.why), "get the log as Zeek wrote it", true}
	case isBinary(l.first):
		return &notLogError{"is binary, no Zeek log", "", named}
	case len(l.first) > 0 && l.first[0] == '{':
		return &notLogError{fmt.Sprintf("is JSON, but no Zeek record: %s (%s)", l.why, keysOf(l.first)), "", named}
	case l.h.Path != "":
		return &notLogError{"its header has no #fields line", "get the log as Zeek wrote it", true}
	}
	return &notLogError{"is neither Zeek TSV (no #fields line) nor JSON", "", named}
}

// keysOf names the first members of an object.
func keysOf(line []byte) string {
	var keys []string
	s := scanner{b: line}
	// Broken JSON has keys, too: those before the damage.
	_ = s.members(nil, func(name, value []byte) {
		if len(keys) < 6 && value[0] != '{' {
			keys = append(keys, strings.ToValidUTF8(string(name), "?"))
		}
	})
	if len(keys) == 0 {
		return "no object"
	}
	return "its keys: " + strings.Join(keys, ", ")
}

// clean removes what editors, exports and power failures leave before a line: byte order marks, zero bytes, spaces, and
// the commas and brackets of arrays before an object.
func clean(line []byte) []byte {
	if len(line) == 0 {
		return line
	}
	switch line[0] {
	case '{', '#':
		return line
	case 0, 0xef, ' ', '\t', ',', 0x1e:
	default:
		return line
	}
	rest := bytes.TrimLeft(line, "\x00\ufeff \t,\x1e")
	if len(rest) == 0 {
		return rest
	}
	if rest[0] == '{' || rest[0] == '#' || line[0] == 0 || line[0] == 0xef {
		return rest
	}
	return line
}

func isBinary(b []byte) bool {
	b = b[:min(len(b), 4096)]
	control := func(c rune) bool { return c < '\t' }
	return bytes.IndexFunc(b, control) >= 0 || (len(b) < 4096 && !utf8.Valid(b))
}

// Left is a file that is left out.
type Left struct {
	Path, What, Hint string
	// Data says that the hunt may lack records because of it.
	Data bool
	// Explicit is as in File.
	Explicit bool
}

// Set is what paths lead to.
type Set struct {
	Files []*File
	Left  []Left
}

// Look finds the files below paths and inspects every one, in parallel. It reports what is odd about them to r.
func Look(ctx context.Context, paths []string, workers int, r *Report) (*Set, error) {
	files, err := find(paths, r)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(workers, 1))
	for i, f := range files {
		g.Go(func() error {
			if strings.HasSuffix(f.Path, ".tmp") && !f.Explicit {
				errs[i] = &notLogError{what: "is still being written (its name ends in .tmp)"}
			} else {
				errs[i] = f.inspect()
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	set := &Set{}
	for i, f := range files {
		var no *notLogError
		switch {
		case errs[i] == nil:
			set.Files = append(set.Files, f)
		case errors.As(errs[i], &no):
			set.Left = append(set.Left, Left{f.Path, no.what, strings.ReplaceAll(no.hint, "FILE", f.Path), no.data, f.Explicit})
		case errors.Is(errs[i], os.ErrNotExist):
			set.Left = append(set.Left, Left{f.Path, "was gone when it was looked into", "if Zeek has just rotated it, run the hunt again", true, f.Explicit})
		default:
			set.Left = append(set.Left, Left{f.Path, "could not be read: " + errs[i].Error(), "", true, f.Explicit})
		}
	}
	return set, nil
}
