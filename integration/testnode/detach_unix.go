//go:build unix

package testnode

import (
	"os/exec"
	"syscall"
)

// detach takes the node out of the terminal's process group: Ctrl-C is for the starter, which then stops the node in
// order, after the command that uses it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
