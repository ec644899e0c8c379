package testnode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrNoJDK means that no Java development kit suits the line.
var ErrNoJDK = errors.New("no suitable JDK")

// ErrNoMaven means that there is no mvn to fetch Elasticsearch's jars.
var ErrNoMaven = errors.New("no Maven")

// debianPackages is what errors suggest to install; it suffices for the 8.x line.
const debianPackages = "apt-get install openjdk-17-jdk-headless maven"

// jdk is one Java development kit.
type jdk struct {
	home    string // the directory of bin/java and bin/javac
	release int    // 17, 21, 25
	version string // as in its release file: 17.0.15
}

func (j jdk) tool(name string) string { return filepath.Join(j.home, "bin", name) }

// findJDK looks for JDKs in JAVA_HOME, PATH and the usual directories of Linux distributions, and returns the newest
// one that suits the line. A suitable JAVA_HOME takes precedence, so that the user can choose.
func findJDK(line Line) (jdk, error) {
	var seen []string
	var best jdk
	for i, home := range jdkFolders() {
		j, ok := readJDK(home)
		if !ok {
			continue
		}
		seen = append(seen, fmt.Sprintf("%s (%s)", j.version, home))
		if j.release < line.minJDK() || j.release > line.maxJDK() {
			continue
		}
		if i == 0 && home == os.Getenv("JAVA_HOME") {
			return j, nil
		}
		if j.release > best.release {
			best = j
		}
	}
	if best.home != "" {
		return best, nil
	}
	found := "none found in JAVA_HOME, PATH and /usr/lib/jvm"
	if len(seen) > 0 {
		found = "found only " + strings.Join(seen, ", ")
	}
	hint := "install it with `" + debianPackages + "`"
	if line == Line9 {
		hint = "put one into /usr/lib/jvm or name it in JAVA_HOME"
	}
	return jdk{}, fmt.Errorf("%w for the %d.x line: it needs a JDK (with javac) of release %d to %d; %s: %s",
		ErrNoJDK, line, line.minJDK(), line.maxJDK(), found, hint)
}

// jdkFolders lists the directories to search, JAVA_HOME first, without duplicates.
func jdkFolders() []string {
	var homes []string
	add := func(home string) {
		if home != "" && !slices.Contains(homes, home) {
			homes = append(homes, home)
		}
	}
	add(os.Getenv("JAVA_HOME"))
	if javac, err := exec.LookPath("javac"); err == nil {
		if real, err := filepath.EvalSymlinks(javac); err == nil {
			add(filepath.Dir(filepath.Dir(real)))
		}
	}
	installed, _ := filepath.Glob("/usr/lib/jvm/*") // the only possible error is a malformed pattern
	for _, dir := range installed {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			add(real)
		}
	}
	return homes
}

var javaVersion = regexp.MustCompile(`(?m)^JAVA_VERSION="((\d+)[^"]*)"`)

// readJDK reads the release file of a JDK, which avoids running it.
func readJDK(home string) (jdk, bool) {
	for _, tool := range []string{"java", "javac"} {
		if _, err := os.Stat(filepath.Join(home, "bin", tool)); err != nil {
			return jdk{}, false
		}
	}
	text, err := os.ReadFile(filepath.Join(home, "release"))
	if err != nil {
		return jdk{}, false
	}
	m := javaVersion.FindSubmatch(text)
	if m == nil {
		return jdk{}, false
	}
	release, err := strconv.Atoi(string(m[2]))
	if err != nil {
		return jdk{}, false
	}
	return jdk{home: home, release: release, version: string(m[1])}, true
}

// Available reports whether a node of the line can be built and run here: nil, or an error (ErrNoJDK, ErrNoMaven) that
// names what is missing and how to get it. It starts nothing and takes milliseconds.
func Available(line Line) error {
	if err := line.Validate(); err != nil {
		return err
	}
	if _, err := findJDK(line); err != nil {
		return err
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return fmt.Errorf("%w: mvn is not in PATH; install it with `%s`", ErrNoMaven, debianPackages)
	}
	return nil
}
