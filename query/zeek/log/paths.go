package log

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// extracted is the directory of the files that Zeek extracts from traffic (FileExtract::prefix).
const extracted = "extract_files"

// finder collects the files that paths lead to, each once.
type finder struct {
	files []*File
	// seen has the real paths of files, and of directories that were walked.
	seen   map[string]bool
	report *Report
	// root is the given path that is being followed.
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
		case p == "-":
			return nil, errors.New("standard input is not read, since a hunt goes over its logs several times: write them to a file first")
		default:
			return nil, fmt.Errorf("open Zeek logs: %w", err)
		}
	}
	slices.SortFunc(fd.files, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
	return fd.files, nil
}

// List returns the files that paths lead to, whatever they contain.
func List(paths []string) ([]string, error) {
	files, err := find(paths, &Report{})
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Path
	}
	return out, err
}

func (fd *finder) glob(pattern string) error {
	matches, err := fd.expand(pattern)
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

// expand is filepath.Glob with an element ** for any number of directories, also none. It reports directories that it
// could not list: filepath.Glob ignores them, and the hunt would lack their content.
func (fd *finder) expand(pattern string) ([]string, error) {
	pattern = filepath.ToSlash(pattern)
	roots := []string{""}
	if volume := filepath.VolumeName(pattern); strings.HasPrefix(pattern[len(volume):], "/") {
		roots, pattern = []string{volume + "/"}, pattern[len(volume)+1:]
	}
	for element := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		var next []string
		for _, root := range roots {
			switch {
			case element == "**":
				next = append(next, fd.below(root)...)
			case !strings.ContainsAny(element, `*?[\`):
				if _, err := os.Lstat(filepath.Join(root, element)); err == nil {
					next = append(next, filepath.Join(root, element))
				} else if errors.Is(err, fs.ErrPermission) {
					fd.unlisted(root, err)
				}
			default:
				for _, e := range fd.list(root) {
					ok, err := filepath.Match(element, e.Name())
					if err != nil {
						return nil, err
					}
					if ok {
						next = append(next, filepath.Join(root, e.Name()))
					}
				}
			}
		}
		roots = next
	}
	slices.Sort(roots)
	return slices.Compact(roots), nil
}

// below returns a directory and all below it. It does not follow links, so none leads in a circle.
func (fd *finder) below(dir string) []string {
	out := []string{dir}
	for _, e := range fd.list(dir) {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir() && e.Name() == extracted:
			fd.passBy(path)
		case e.IsDir():
			out = append(out, fd.below(path)...)
		}
	}
	return out
}

// passBy leaves out a directory of extracted files, and reports it once.
func (fd *finder) passBy(dir string) {
	if !fd.seen[dir+"/"] {
		fd.seen[dir+"/"] = true
		fd.report.Note(hunt.Note{What: "left out: Zeek puts files here that it takes out of traffic, and a file's sender could make up logs", Where: dir,
			Hint: "if these are logs, name the directory itself"})
	}
}

// list returns the entries of a directory; none if it is not one, or is gone.
func (fd *finder) list(dir string) []fs.DirEntry {
	path := cmp.Or(dir, ".")
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fd.unlisted(path, err)
	}
	return entries
}

// unlisted reports once that a directory's entries are not known.
func (fd *finder) unlisted(dir string, err error) {
	if fd.seen[dir+"/"] {
		return
	}
	fd.seen[dir+"/"] = true
	fd.report.Gap(hunt.Note{What: "this directory could not be listed: " + err.Error(), Where: dir,
		Hint: "logs in it are missing from the hunt"})
}

// walk takes every file below a directory. It follows symbolic links, since Zeek's current directory is often one; it
// enters each directory once.
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
		fd.unlisted(dir, err)
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
		// a broken link, or a file that was rotated away since the directory was listed
		n := hunt.Note{What: "this log could not be opened: " + err.Error(), Where: path,
			Hint: "if Zeek has just rotated it, run the hunt again"}
		if kindOfName(path) != "" {
			fd.report.Gap(n)
		} else {
			fd.report.Note(n)
		}
	case info.IsDir() && info.Name() == extracted:
		fd.passBy(path)
	case info.IsDir():
		return fd.walk(path, false)
	case info.Mode().IsRegular():
		fd.add(path, info, false)
	default:
		fd.report.Note(hunt.Note{What: "left out: it is no regular file", Where: path, Hint: "write the log to a file first"})
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
