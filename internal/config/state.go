package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// StateDir is state.dir or, if unset, the first of systemd's STATE_DIRECTORY, /var/lib/dwell for root, and dwell in the
// user's state directory (XDG_STATE_HOME, ~/.local/state). It does not create the directory.
func (l *Loaded) StateDir(environ []string) (string, error) {
	if l.State.Dir != "" {
		return l.State.Dir, nil
	}
	env := environment(environ)
	switch {
	case env["STATE_DIRECTORY"] != "":
		return env["STATE_DIRECTORY"], nil
	case os.Geteuid() == 0 && env["XDG_STATE_HOME"] == "":
		return "/var/lib/dwell", nil
	case env["XDG_STATE_HOME"] != "":
		return filepath.Join(env["XDG_STATE_HOME"], "dwell"), nil
	case env["HOME"] != "":
		return filepath.Join(env["HOME"], ".local", "state", "dwell"), nil
	}
	return "", fmt.Errorf("state.dir: there is no home directory to keep state in: set it")
}
