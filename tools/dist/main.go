// Command dist makes the release files besides programs and packages: reproducible archives and a bill of materials
// (CycloneDX). tools/dist.sh runs it.
//
//	dist archive OUT.tar.gz|OUT.zip PREFIX DIR   all of DIR below PREFIX, times from SOURCE_DATE_EPOCH
//	dist sbom DIR PACKAGE VERSION                 the modules that the package at DIR is built of, as CycloneDX JSON
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "archive":
		return archive(args[1], args[2], args[3])
	case len(args) == 4 && args[0] == "sbom":
		return sbom(os.Stdout, args[1], args[2], args[3])
	}
	return errors.New("usage: archive OUT PREFIX DIR | sbom DIR PACKAGE VERSION")
}

// archive writes a tar.gz or zip, sorted by name.
func archive(out, prefix, dir string) (err error) {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	at := time.Unix(seconds, 0).UTC()
	var names []string
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(names)
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	add, finish := tarball(f, at)
	if strings.HasSuffix(out, ".zip") {
		add, finish = zipped(f, at)
	}
	for _, name := range names {
		inside, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if base := path.Base(name); base == "dwell" || base == "dwell.exe" || base == "dwell-soc-queries" {
			mode = 0o755
		}
		if err := add(path.Join(prefix, filepath.ToSlash(inside)), mode, b); err != nil {
			return err
		}
	}
	return finish()
}

type adder func(name string, mode fs.FileMode, b []byte) error

func tarball(w io.Writer, at time.Time) (adder, func() error) {
	z, _ := gzip.NewWriterLevel(w, gzip.BestCompression)
	t := tar.NewWriter(z)
	return func(name string, mode fs.FileMode, b []byte) error {
		h := &tar.Header{Name: name, Mode: int64(mode), Size: int64(len(b)), ModTime: at, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := t.Write(b)
		return err
	}, func() error { return errors.Join(t.Close(), z.Close()) }
}

func zipped(w io.Writer, at time.Time) (adder, func() error) {
	z := zip.NewWriter(w)
	return func(name string, mode fs.FileMode, b []byte) error {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at}
		h.SetMode(mode)
		e, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = e.Write(b)
		return err
	}, z.Close
}

type module struct{ Path, Version string }

// modules are those that the package uses on any released operating system, without its own.
func modules(dir, pkg string) ([]module, error) {
	found := map[string]module{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		c := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}{{end}}{{end}}", pkg)
		c.Dir, c.Stderr = dir, os.Stderr
		c.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := c.Output()
		if err != nil {
			return nil, fmt.Errorf("list the modules of %s: %w", pkg, err)
		}
		for line := range strings.Lines(string(out)) {
			if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 2 {
				found[f[0]] = module{f[0], f[1]}
			}
		}
	}
	var list []module
	for _, m := range found {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	if len(list) == 0 {
		return nil, fmt.Errorf("%s is built of no module: wrong package?", pkg)
	}
	return list, nil
}

func sbom(w io.Writer, dir, pkg, version string) error {
	list, err := modules(dir, pkg)
	if err != nil {
		return err
	}
	type component struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Version string `json:"version"`
		PURL    string `json:"purl,omitempty"`
		Ref     string `json:"bom-ref,omitempty"`
	}
	var parts []component
	for _, m := range list {
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		parts = append(parts, component{"library", m.Path, m.Version, purl, purl})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata":   map[string]any{"component": component{Type: "application", Name: "dwell", Version: version}},
		"components": parts,
	})
}
