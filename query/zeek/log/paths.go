package log

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// finder collects the files that paths lead to, each once.
type finder struct {
	files []*File
	// seen holds the real paths of files, and of directories that were walked.
	seen   map[string]bool
	report *Report
	// root is the path as given that is being followed.
	root string
}

// find resolves files, directories and globs. ** stands for any number of directories.
func find(paths []string, r *Report) ([]*File, error) {
	if len(paths) == 0 {
		return nil, errors.New("no path to Zeek logs given")
	}
	fd := &finder{seen: map[string]bool{}, report: r}
	for _, p := range paths {
		fd.root = p
		info, err := os.Stat(p)
		switch {
		case err == nil && info.IsDir():
			if err := fd.walk(p, true); err != nil {
				return nil, err
			}
		case err == nil && !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is no regular file; write the log to a file first", p)
		case err == nil:
			fd.add(p, info, true)
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(p, "*?["):
			if err := fd.glob(p); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("open Zeek logs: %w", err)
		}
	}
	slices.SortFunc(fd.files, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
	return fd.files, nil
}

// List gives the files that paths lead to, whatever they hold.
func List(paths []string) ([]string, error) {
	files, err := find(paths, &Report{})
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Path
	}
	return out, err
}

func (fd *finder) glob(pattern string) error {
	matches, err := expand(pattern)
	if err != nil {
		return fmt.Errorf("glob %s: %w", pattern, err)
	}
	if len(matches) == 0 {
		return fmt.Errorf("no file matches %s", pattern)
	}
	for _, m := range matches {
		if err := fd.entry(m); err != nil {
			return err
		}
	}
	return nil
}

// expand is filepath.Glob that takes an element ** for any number of directories, none included.
func expand(pattern string) ([]string, error) {
	before, after, ok := strings.Cut(filepath.ToSlash(pattern), "**/")
	if !ok {
		return filepath.Glob(pattern)
	}
	roots := []string{"."}
	if before != "" {
		var err error
		if roots, err = filepath.Glob(filepath.FromSlash(strings.TrimSuffix(before, "/"))); err != nil {
			return nil, err
		}
		if before == "/" {
			roots = []string{"/"}
		}
	}
	var out []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil //nolint:nilerr // what cannot be listed matches nothing
			}
			more, err := expand(filepath.Join(path, filepath.FromSlash(after)))
			out = append(out, more...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// walk takes every file below a directory. Symbolic links are followed, since Zeek's current directory is often one; each
// directory is entered once.
func (fd *finder) walk(dir string, asked bool) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	if fd.seen[real] {
		return nil
	}
	fd.seen[real] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		if asked {
			return fmt.Errorf("list directory: %w", err)
		}
		fd.report.Gap(hunt.Note{What: "this directory could not be listed: " + err.Error(), Where: dir,
			Hint: "logs in it are missing from the hunt", Count: 1})
	}
	for _, e := range entries {
		if err := fd.entry(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// entry takes one file or directory that was found, not named.
func (fd *finder) entry(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		// A link that leads nowhere, or a file that was rotated away since the directory was listed.
		n := hunt.Note{What: "this log could not be opened: " + err.Error(), Where: path,
			Hint: "if Zeek has just rotated it, run the hunt again", Count: 1}
		if kindOfName(path) != "" {
			fd.report.Gap(n)
		} else {
			fd.report.Note(n)
		}
	case info.IsDir():
		return fd.walk(path, false)
	case info.Mode().IsRegular():
		fd.add(path, info, false)
	}
	return nil
}

func (fd *finder) add(path string, info fs.FileInfo, explicit bool) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		real = path
	}
	if fd.seen[real] {
		return
	}
	fd.seen[real] = true
	fd.files = append(fd.files, &File{Path: path, Root: fd.root, Size: info.Size(), Named: kindOfName(path), Explicit: explicit,
		written: info.ModTime()})
}
