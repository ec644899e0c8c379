package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/pflag"

	"dwell/internal/hunt"
	"dwell/internal/output"
)

// topFindings is the default number of lines of a table on a terminal.
const topFindings = 20

// listFlags limit what is printed of a list.
type listFlags struct {
	limit        int
	all, noPager bool
	expand       bool
}

// listed adds the flags.
func (f *listFlags) listed(p *pflag.FlagSet) {
	p.IntVar(&f.limit, "limit", 0, "maximum `number` of findings, strongest first (0: all; a table on a terminal has the first 20)")
	p.BoolVar(&f.all, "all", false, "print all findings on a terminal too")
	p.BoolVar(&f.expand, "expand", false, "in tables, one line per finding instead of one per campaign")
	p.BoolVar(&f.noPager, "no-pager", false, "do not page long output on a terminal (else $DWELL_PAGER, $PAGER or less)")
}

// grouped returns the entries of a table: one per campaign unless --expand. Other formats have every finding.
func (f *listFlags) grouped(findings []hunt.Finding, show *output.Options) []hunt.Finding {
	if f.expand || show.Format != output.Table {
		return findings
	}
	var leads []hunt.Finding
	leads, show.Groups = output.Leads(findings)
	return leads
}

// more says how many lines are not printed, and how to see them.
func (f *listFlags) more(n int) string {
	switch {
	case n <= 0:
		return ""
	case f.limit > 0:
		return fmt.Sprintf("; %s (--limit)", moreLines(n))
	}
	return fmt.Sprintf("; %s: --all", moreLines(n))
}

// moreLines counts what a list has beyond what is printed; a line may be a campaign of many findings.
func moreLines(n int) string {
	if n == 1 {
		return "1 more line"
	}
	return hunt.Count(n) + " more lines"
}

// first is how many of n lines are printed: --limit, or all, or the default of a table on a terminal.
func (f *listFlags) first(n int, table, person bool) int {
	switch {
	case f.limit > 0:
		return min(n, f.limit)
	case f.all || !table || !person:
		return n
	}
	return min(n, topFindings)
}

// paged returns a writer whose text goes through a pager if it is longer than the terminal. done prints it.
func (a *app) paged(off bool) (w io.Writer, done func() error) {
	pager := a.env("DWELL_PAGER")
	if pager == "" {
		pager = a.env("PAGER")
	}
	if pager == "" {
		pager = "less"
	}
	if off || !a.OutTTY || a.Height == 0 || pager == "cat" {
		return a.Out, func() error { return nil }
	}
	var text bytes.Buffer
	return &text, func() error {
		command := strings.Fields(pager)
		program, err := exec.LookPath(command[0])
		if err != nil || bytes.Count(text.Bytes(), []byte("\n")) < a.Height {
			_, err = a.Out.Write(text.Bytes())
			return err
		}
		c := exec.Command(program, command[1:]...) //nolint:gosec,noctx // the person's own pager, which ends when the person does
		c.Stdin, c.Stdout, c.Stderr = &text, a.Out, a.Err
		c.Env = os.Environ()
		if a.env("LESS") == "" {
			c.Env = append(c.Env, "LESS=FRX")
		}
		return c.Run()
	}
}
