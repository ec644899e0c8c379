// Package spool keeps hunts on disk that the cluster did not accept, until it does.
//
// One file has a whole hunt: its document, its findings and a checksum. Replaying it writes the same ids as the
// original would have. Files are replayed oldest first and independently, so a file that cannot be read or stored does
// not block others. When the directory reaches its size limit, [Spool.Put] returns an error and the caller still has
// the hunt.
//
// Documents that the cluster rejects permanently, and damaged files, go to the directory "dead", which is never
// replayed. They are for the administrator to examine, and count in the status and the limit.
package spool

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
)

// DefaultMaxBytes is the default limit of a spool: about 100,000 findings.
const DefaultMaxBytes = 256 << 20

const (
	heldSuffix = ".hunt.ndjson"
	// In deadDir: rejected documents, one per line; rejected hunts, each under its original name; and damaged files.
	deadDir       = "dead"
	deadSuffix    = ".dead.ndjson"
	damagedSuffix = ".unreadable"
)

// FullError means that a hunt does not fit. Nothing was written.
type FullError struct {
	Dir         string
	Bytes, Max  int64
	Hunt        string
	NeededBytes int64
}

// Error says how full it is and what to do.
func (e *FullError) Error() string {
	return fmt.Sprintf("hold hunt %s in %s: the spool is full (%d of %d bytes used, %d needed): repair the cluster, or raise the spool's limit",
		e.Hunt, e.Dir, e.Bytes, e.Max, e.NeededBytes)
}

// Spool is a directory. Any process may add hunts; one at a time replays them.
type Spool struct {
	dir    string
	max    int64
	now    func() time.Time
	shared bool
}

// Options of a Spool.
type Options struct {
	// Dir is created if missing, accessible by its owner only.
	Dir string
	// MaxBytes limits all files together; 0 means DefaultMaxBytes.
	MaxBytes int64
	// Now names files; nil means time.Now.
	Now func() time.Time
	// Shared means that another process replays: Replay does nothing.
	Shared bool
}

// Open prepares the directory and removes half-written files left by a crash.
func Open(o Options) (*Spool, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool's directory: %w", err)
	}
	s := &Spool{dir: o.Dir, max: o.MaxBytes, now: o.Now, shared: o.Shared}
	if err := atomicfile.Sweep(o.Dir); err != nil {
		return nil, fmt.Errorf("clean up the spool: %w", err)
	}
	return s, nil
}

// Look returns the status of a spool that another process may be using; it changes nothing.
func Look(dir string, maxBytes int64) (Status, error) {
	return (&Spool{dir: dir, max: maxBytes}).Status()
}

// Status is the content of a spool.
type Status struct {
	// Hunts wait for upload; Dead are documents and Refused whole hunts that were rejected permanently; Damaged are
	// unreadable files. Bytes is their total size, out of Max.
	Hunts, Dead, Refused, Damaged int
	Bytes, Max                    int64
	// Oldest is when the oldest hunt was put, zero for none.
	Oldest time.Time
}

// Status examines the directory.
func (s *Spool) Status() (Status, error) {
	st := Status{Max: s.max}
	for _, dir := range []string{s.dir, filepath.Join(s.dir, deadDir)} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != s.dir {
			break
		}
		if err != nil {
			return st, fmt.Errorf("read the spool: %w", err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
				continue // stored meanwhile, or the directory deadDir
			}
			if err != nil {
				return st, fmt.Errorf("read the spool: %w", err)
			}
			if err := st.add(dir, info, dir != s.dir); err != nil {
				return st, err
			}
		}
	}
	return st, nil
}

// add counts a file.
func (st *Status) add(dir string, info fs.FileInfo, dead bool) error {
	switch name := info.Name(); {
	case strings.HasSuffix(name, damagedSuffix):
		st.Damaged++
	case strings.HasSuffix(name, heldSuffix) && dead:
		st.Refused++
	case strings.HasSuffix(name, heldSuffix):
		st.Hunts++
		if t, ok := heldSince(name); ok && (st.Oldest.IsZero() || t.Before(st.Oldest)) {
			st.Oldest = t
		}
	case strings.HasSuffix(name, deadSuffix):
		n, err := countLines(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		st.Dead += n
	default:
		return nil
	}
	st.Bytes += info.Size()
	return nil
}

// nameTime sorts as text like as time.
const nameTime = "20060102T150405.000000000Z"

func heldSince(name string) (time.Time, bool) {
	stamp, _, _ := strings.Cut(name, "_")
	t, err := time.Parse(nameTime, stamp)
	return t, err == nil
}

func countLines(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read the spool: %w", err)
	}
	defer f.Close()
	n := 0
	for r := bufio.NewReader(f); ; {
		_, err := r.ReadSlice('\n')
		switch {
		case err == nil:
			n++
		case errors.Is(err, io.EOF):
			return n, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return n, fmt.Errorf("read the spool: %w", err)
		}
	}
}

// Put stores a hunt. It replaces a hunt of the same id and revision, whose content is the same.
func (s *Spool) Put(doc hunt.Document, findings []hunt.Finding) error {
	key := hunt.Digest(doc.Dwell.HuntID, doc.Dwell.Revision)
	same, err := filepath.Glob(filepath.Join(s.dir, "*_"+key+heldSuffix))
	if err != nil {
		return fmt.Errorf("read the spool: %w", err)
	}
	name := s.now().UTC().Format(nameTime) + "_" + key + heldSuffix
	if len(same) > 0 {
		name = filepath.Base(same[0])
	}
	return s.hold(name, doc, findings)
}

// Reject keeps a hunt that the cluster rejected permanently.
func (s *Spool) Reject(doc hunt.Document, findings []hunt.Finding) error {
	key := hunt.Digest(doc.Dwell.HuntID, doc.Dwell.Revision)
	return s.hold(filepath.Join(deadDir, key+heldSuffix), doc, findings)
}

// hold writes a hunt's file.
func (s *Spool) hold(name string, doc hunt.Document, findings []hunt.Finding) error {
	lines := make([]any, 0, len(findings)+1)
	lines = append(lines, doc)
	for i := range findings {
		lines = append(lines, &findings[i])
	}
	b, err := encode(lines)
	if err != nil {
		return fmt.Errorf("hold hunt %s: %w", doc.Dwell.HuntID, err)
	}
	sum := sha256.Sum256(b)
	end, err := encode([]any{seal{hex.EncodeToString(sum[:])}})
	if err != nil {
		return fmt.Errorf("hold hunt %s: %w", doc.Dwell.HuntID, err)
	}
	return s.write(name, doc.Dwell.HuntID, append(b, end...))
}

// seal is the last line of a hunt's file: the checksum of the lines before it.
type seal struct {
	SHA256 string `json:"sha256"`
}

func encode(lines []any) (b []byte, err error) {
	for _, line := range lines {
		text, err := json.Marshal(line)
		if err != nil {
			return nil, fmt.Errorf("encode: %w", err)
		}
		b = append(append(b, text...), '\n')
	}
	return b, nil
}

// deadLine is a line of a dead-letter file.
type deadLine struct {
	Stream   string          `json:"stream"`
	ID       string          `json:"id"`
	Reason   string          `json:"reason"`
	Document json.RawMessage `json:"document"`
}

// Bury keeps documents that the cluster rejected permanently.
func (s *Spool) Bury(stream string, dead []bulk.Dead) error {
	if len(dead) == 0 {
		return nil
	}
	var lines []any
	var ids []string
	for _, d := range dead {
		lines = append(lines, deadLine{Stream: stream, ID: d.ID, Reason: d.Err.Error(), Document: d.Doc})
		ids = append(ids, d.ID)
	}
	// The same rejections have the same name, so that writing a hunt again does not store them twice.
	slices.Sort(ids)
	b, err := encode(lines)
	if err != nil {
		return fmt.Errorf("keep what %s refused: %w", stream, err)
	}
	return s.write(filepath.Join(deadDir, stream+"_"+hunt.Digest(ids...)+deadSuffix), stream, b)
}

// write writes a file atomically, within the limit.
func (s *Spool) write(name, what string, b []byte) error {
	st, err := s.Status()
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, name)
	if info, err := os.Stat(path); err == nil {
		st.Bytes -= info.Size()
	}
	if st.Bytes+int64(len(b)) > s.max {
		return &FullError{Dir: s.dir, Bytes: st.Bytes, Max: s.max, Hunt: what, NeededBytes: int64(len(b))}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("hold %s: %w", what, err)
	}
	if err := atomicfile.WriteBytes(path, 0o600, b); err != nil {
		return fmt.Errorf("hold %s: %w", what, err)
	}
	return nil
}

// ErrAway wraps an error of a replay's write that every other hunt would meet too: the rest is not tried now.
var ErrAway = errors.New("the cluster takes nothing now")

// ErrRefused wraps an error of a replay's write that is permanent: the hunt is moved to deadDir.
var ErrRefused = errors.New("refused for good")

// Replay passes the hunts to write, oldest first, removes those that were written, and returns their number. A hunt
// that fails stays, and the next is tried, unless the error is [ErrAway]. A hunt with [ErrRefused] and a damaged file
// are moved to deadDir. All errors are returned, joined.
func (s *Spool) Replay(write func(hunt.Document, []hunt.Finding) error) (done int, err error) {
	if s.shared {
		return 0, nil
	}
	names, err := s.held()
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		doc, findings, err := read(path)
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
			errs = append(errs, fmt.Errorf("replay: %w", err))
			continue
		case err != nil:
			errs = append(errs, fmt.Errorf("replay %s: %w; it was set aside in %s", path, err, deadDir), s.bury(name, name+damagedSuffix))
			continue
		}
		err = write(doc, findings)
		switch {
		case err == nil:
			done++
			if err := os.Remove(path); err != nil {
				errs = append(errs, fmt.Errorf("replay %s: it is written, but: %w", path, err))
			}
		case errors.Is(err, ErrRefused):
			errs = append(errs, fmt.Errorf("waiting hunt %s is kept in %s: %w", doc.Dwell.HuntID, deadDir, err), s.bury(name, name))
		case errors.Is(err, ErrAway):
			return done, errors.Join(append(errs, err)...)
		default:
			errs = append(errs, fmt.Errorf("waiting hunt %s: %w", doc.Dwell.HuntID, err))
		}
	}
	return done, errors.Join(errs...)
}

// bury moves a file to deadDir.
func (s *Spool) bury(name, as string) error {
	dir := filepath.Join(s.dir, deadDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Rename(filepath.Join(s.dir, name), filepath.Join(dir, as))
}

// held names the files of waiting hunts, oldest first: ReadDir sorts by name, which starts with the time.
func (s *Spool) held() (names []string, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), heldSuffix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Held returns the documents of the waiting hunts, oldest first. It ignores unreadable files, which Replay handles.
func (s *Spool) Held() ([]hunt.Document, error) {
	names, err := s.held()
	if err != nil {
		return nil, err
	}
	var out []hunt.Document
	for _, name := range names {
		if doc, _, err := read(filepath.Join(s.dir, name)); err == nil {
			out = append(out, doc)
		}
	}
	return out, nil
}

// read returns the hunt in a file, or what is wrong with the file.
func read(path string) (doc hunt.Document, findings []hunt.Finding, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return doc, nil, err
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	lines = lines[:len(lines)-1] // after the last newline there is nothing, or half a line
	if len(lines) < 2 || len(text) == 0 || text[len(text)-1] != '\n' {
		return doc, nil, errors.New("it is cut off")
	}
	var end seal
	last := lines[len(lines)-1]
	sum := sha256.Sum256(text[:len(text)-len(last)])
	if err := json.Unmarshal(last, &end); err != nil || end.SHA256 != hex.EncodeToString(sum[:]) {
		return doc, nil, errors.New("it is cut off or was changed")
	}
	if err := json.Unmarshal(lines[0], &doc); err != nil {
		return doc, nil, fmt.Errorf("line 1: %w", err)
	}
	findings = make([]hunt.Finding, len(lines)-2)
	for i := range findings {
		if err := json.Unmarshal(lines[i+1], &findings[i]); err != nil {
			return doc, nil, fmt.Errorf("line %d: %w", i+2, err)
		}
	}
	return doc, findings, nil
}
