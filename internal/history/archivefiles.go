package history

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dwell/internal/hunt"
)

// changes finds the files to read: those that are new or have grown, or all, and why.
func changes(known Inputs, now map[string]File) (fresh map[string]bool, why string, err error) {
	fresh = map[string]bool{}
	for path, f := range now {
		was, ok := known.Files[path]
		switch {
		case !ok:
			fresh[path] = true
		case was.Bytes == f.Bytes && was.Changed == f.Changed:
		case live(path): // it is rotated, and its records stay
			fresh[path] = true
		default:
			same, grown, err := was.within(path, f.Bytes)
			if err != nil {
				return nil, "", err
			}
			if fresh[path] = grown; !same {
				why = path + " has other content than when it was read"
			}
		}
	}
	maps.DeleteFunc(fresh, func(_ string, is bool) bool { return !is })
	for path := range fresh {
		if slices.ContainsFunc(known.Gaps, func(gap hunt.Note) bool { return replaces(path, gap.Where, now) }) {
			why = mayBeThere
		}
	}
	return fresh, why, nil
}

// replaces says whether a new file may be a better copy of one with a gap: the same one, or one beside it that is gone.
// What Zeek still writes is no copy of what it wrote before.
func replaces(path, bad string, now map[string]File) bool {
	_, there := now[bad]
	return !live(path) && (path == bad || bad != "" && !there && filepath.Dir(path) == filepath.Dir(bad))
}

// overlap says whether two windows have a moment in common.
func overlap(a, b hunt.Window) bool { return a.Start.Before(b.End) && b.Start.Before(a.End) }

// concerns says whether a gap may be of a window. What lasted at most an hour may have its record an hour later.
func concerns(gap *hunt.Note, w hunt.Window) bool {
	return gap.During == hunt.Window{} || overlap(gap.During, hunt.Window{Start: w.Start, End: w.End.Add(time.Hour)})
}

// live says whether Zeek still writes a file, which it moves elsewhere each hour.
func live(path string) bool {
	return slices.ContainsFunc(strings.Split(filepath.ToSlash(filepath.Dir(path)), "/"), func(dir string) bool { return dir == "current" || dir == "spool" })
}

// within says whether a file still begins with all that was read of it, up to the end of a line.
func (f *File) within(path string, size int64) (same, grown bool, err error) {
	if size < f.Bytes {
		return false, false, nil
	}
	sum, err := sumOf(path, f.Bytes)
	if err != nil || sum != f.CRC {
		return false, false, err
	}
	if size == f.Bytes {
		return true, false, nil
	}
	in, err := os.Open(path)
	if err != nil {
		return false, false, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	last := make([]byte, 1)
	if _, err := in.ReadAt(last, max(f.Bytes-1, 0)); err != nil {
		return false, false, err
	}
	whole := f.Bytes == 0 || last[0] == '\n' && filepath.Ext(path) != ".gz"
	return whole, whole, nil
}

// sumOf is the CRC-32C of the first bytes of a file.
func sumOf(path string, n int64) (uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	sum := &summing{to: io.Discard}
	_, err = io.Copy(sum, io.LimitReader(f, n))
	return sum.crc, errors.Join(err, f.Close())
}

// look lists the files, with what shows whether they have changed. One that is gone by now was rotated away.
func (a *Archive) look() (map[string]File, error) {
	paths, err := a.List()
	if err != nil {
		return nil, err
	}
	out := map[string]File{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[path] = File{Bytes: info.Size(), Changed: info.ModTime().UnixNano()}
	}
	return out, nil
}

// goneOf are the times of conn logs that are gone: neither rotated, compressed nor moved.
func goneOf(known, now map[string]File) (out []hunt.Window) {
	here := map[File]bool{}
	content := func(f File) File { return File{Bytes: f.Bytes, CRC: f.CRC} }
	for path := range now {
		here[content(known[path])] = true
	}
	for path, f := range known {
		_, there := now[path]
		for _, ext := range []string{".gz", ".zst", ".bz2"} {
			_, packed := now[path+ext]
			there = there || packed
		}
		if f.Conn && !there && !live(path) && !here[content(f)] {
			out = append(out, f.During)
		}
	}
	return out
}
