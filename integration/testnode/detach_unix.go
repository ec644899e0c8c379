//go:build unix

package testnode

import (
	"os/exec"
	"syscall"
)

// detach takes the node out of the terminal's process group: Ctrl-C goes to the starter, which stops the node after the
// command that uses it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
