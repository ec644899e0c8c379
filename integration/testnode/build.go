package testnode

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// java holds the node's sources and its two class paths, so that a test binary works from any directory.
//
//go:embed java
var java embed.FS

// unusedFor is how long an unused build stays in the cache.
const unusedFor = 14 * 24 * time.Hour

// build is a node of one line, ready to run.
type build struct {
	java      string   // the java program
	release   int      // its Java release
	classPath []string // our jar, then Elasticsearch's jars
	archive   string   // the file of the class archive, see train
}

// prepare returns the line's build from the user's cache directory, or makes it: class path by Maven, our sources by
// javac. Builders on a host wait for each other and reuse the result.
func prepare(ctx context.Context, line Line) (build, error) {
	if err := Available(line); err != nil {
		return build{}, err
	}
	kit, err := findJDK(line)
	if err != nil {
		return build{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return build{}, fmt.Errorf("find the cache directory for the test node: %w", err)
	}
	cache = filepath.Join(cache, "dwell", "testnode")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return build{}, fmt.Errorf("make the cache directory for the test node: %w", err)
	}
	key, err := buildKey(line, kit)
	if err != nil {
		return build{}, err
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(cache, "build.lock")).Lock()
	if err != nil {
		return build{}, fmt.Errorf("wait for other builders of the test node: %w", err)
	}
	defer unlock()

	dir := filepath.Join(cache, fmt.Sprintf("%s-%s", line.folder(), key))
	jars, ok := builtIn(dir)
	if !ok {
		if err := makeBuild(ctx, line, kit, dir); err != nil {
			return build{}, fmt.Errorf("build the test node of the %d.x line: %w", line, err)
		}
		if jars, ok = builtIn(dir); !ok {
			return build{}, fmt.Errorf("build the test node of the %d.x line: %s names jars that are not there", line, filepath.Join(dir, "classpath"))
		}
		if err := prune(cache); err != nil {
			return build{}, err
		}
	}
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return build{}, fmt.Errorf("mark the test node's build as used: %w", err)
	}
	b := build{java: kit.tool("java"), release: kit.release, classPath: jars, archive: filepath.Join(dir, "classes.jsa")}
	if _, err := os.Stat(b.archive); err != nil {
		if err := train(ctx, line, b); err != nil {
			// A build that does not start is made again next time, because the user may have fixed the cause.
			return build{}, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return b, nil
}

// buildKey is a hash of a build's inputs: sources, pinned versions, compiler.
func buildKey(line Line, kit jdk) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", kit.home, kit.version)
	err := eachSource(line, func(name string, text []byte) error {
		fmt.Fprintf(h, "%s %d\n", name, len(text))
		h.Write(text)
		return nil
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// eachSource calls f with every file of the shared and the line's own directory, with its name as in java/.
func eachSource(line Line, f func(name string, text []byte) error) error {
	for _, root := range []string{"java/shared", "java/" + line.folder()} {
		err := fs.WalkDir(java, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := java.ReadFile(name)
			if err != nil {
				return err
			}
			return f(strings.TrimPrefix(name, "java/"), text)
		})
		if err != nil {
			return fmt.Errorf("read the test node's sources: %w", err)
		}
	}
	return nil
}

// builtIn returns the class path of the build in dir, and whether it is complete: users may empty Maven's repository,
// where the jars are.
func builtIn(dir string) ([]string, bool) {
	text, err := os.ReadFile(filepath.Join(dir, "classpath"))
	if err != nil {
		return nil, false
	}
	jars := append([]string{filepath.Join(dir, "testnode.jar")}, filepath.SplitList(strings.TrimSpace(string(text)))...)
	for _, jar := range jars {
		if _, err := os.Stat(jar); err != nil {
			return nil, false
		}
	}
	return jars, true
}

// makeBuild builds beside dir and renames, so that a killed builder leaves nothing that looks complete.
func makeBuild(ctx context.Context, line Line, kit jdk, dir string) error {
	work, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // renamed away on success
	var sources []string
	err = eachSource(line, func(name string, text []byte) error {
		to := filepath.Join(work, filepath.FromSlash(name))
		if strings.HasSuffix(name, ".java") {
			sources = append(sources, to)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
	if err != nil {
		return err
	}
	classPath := filepath.Join(work, "classpath")
	if err := run(ctx, kit, "mvn", "--quiet", "--batch-mode", "--file", filepath.Join(work, line.folder(), "pom.xml"),
		"dependency:build-classpath", "-Dmdep.outputFile="+classPath); err != nil {
		return err
	}
	jars, err := os.ReadFile(classPath)
	if err != nil {
		return err
	}
	classes := filepath.Join(work, "classes")
	args := []string{"-nowarn", "-encoding", "UTF-8", "-cp", strings.TrimSpace(string(jars)), "-d", classes}
	if err := run(ctx, kit, kit.tool("javac"), append(args, sources...)...); err != nil {
		return err
	}
	if err := pack(classes, filepath.Join(work, "testnode.jar")); err != nil {
		return fmt.Errorf("pack the test node's classes: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(work, dir)
}

// run runs one build step with the JDK; an error has its output.
func run(ctx context.Context, kit jdk, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "JAVA_HOME="+kit.home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, ctx.Err())
		}
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, bytes.TrimSpace(out))
	}
	return nil
}

// pack writes the directory's files into a jar (a zip).
func pack(folder, jar string) error {
	out, err := os.Create(jar)
	if err != nil {
		return err
	}
	z := zip.NewWriter(out)
	err = filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		w, err := z.Create(path.Clean(filepath.ToSlash(rel)))
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	return errors.Join(err, z.Close(), out.Close())
}

// prune removes builds not used for a while, and what killed builders left.
func prune(cache string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return fmt.Errorf("look for old builds of the test node: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		ours := strings.HasPrefix(e.Name(), "es") || strings.HasPrefix(e.Name(), "building-")
		if err != nil || !ours || time.Since(info.ModTime()) < unusedFor {
			continue
		}
		if err := os.RemoveAll(filepath.Join(cache, e.Name())); err != nil {
			return fmt.Errorf("remove an old build of the test node: %w", err)
		}
	}
	return nil
}
