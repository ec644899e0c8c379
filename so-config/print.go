package soconfig

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// saltFiles is the directory of the Salt state's files.
const saltFiles = "salt/dwell/files"

// Print writes every file to a new directory, including the Salt state's files, so that the state can be copied from
// it. program is the dwell binary to include; empty omits it. The error wraps fs.ErrExist if the directory exists.
func Print(dir, program string) error {
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // Nothing in it is secret.
		return err
	}
	if err := os.CopyFS(dir, files); err != nil {
		return fmt.Errorf("write files: %w", err)
	}
	units, err := files.ReadDir("systemd")
	if err != nil {
		return fmt.Errorf("read so-config: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, filepath.FromSlash(saltFiles)), 0o755); err != nil { //nolint:gosec // As above.
		return err
	}
	for _, u := range units {
		b, err := files.ReadFile(path.Join("systemd", u.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.FromSlash(saltFiles), u.Name()), b, 0o644) //nolint:gosec // As above.
		}
		if err != nil {
			return fmt.Errorf("write files for the Salt state: %w", err)
		}
	}
	for _, script := range []string{"soc/dwell-soc-queries"} { // embedded files have no mode
		if err := os.Chmod(filepath.Join(dir, filepath.FromSlash(script)), 0o755); err != nil { //nolint:gosec // It is to be run.
			return err
		}
	}
	if program == "" {
		return nil
	}
	return copyProgram(program, filepath.Join(dir, filepath.FromSlash(saltFiles), "dwell"))
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy the program for the Salt state: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // A program.
	if err != nil {
		return fmt.Errorf("copy the program for the Salt state: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fmt.Errorf("copy the program for the Salt state: %w", err)
	}
	return out.Close()
}
