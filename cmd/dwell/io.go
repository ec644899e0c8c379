package main

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// streams are a command's inputs and outputs. Results go to Out, everything else to Err.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
	// OutTTY, ErrTTY and InTTY report which streams are terminals.
	OutTTY, ErrTTY, InTTY bool
	// Width is the terminal's width in columns, 0 when Out is no terminal; ErrWidth that of Err.
	Width, ErrWidth int
	// Height is the terminal's in lines, 0 when Out is no terminal.
	Height  int
	Environ []string
	Now     func() time.Time
}

func systemIO() *streams {
	s := &streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ(), Now: time.Now}
	s.InTTY = term.IsTerminal(int(os.Stdin.Fd()))
	s.OutTTY = term.IsTerminal(int(os.Stdout.Fd()))
	s.ErrTTY = term.IsTerminal(int(os.Stderr.Fd()))
	s.Width, s.ErrWidth = width(os.Stdout), width(os.Stderr)
	if _, lines, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		s.Height = lines
	}
	return s
}

// width is a terminal's, 0 where f is none.
func width(f *os.File) int {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// env looks a variable up; an empty one counts as not set.
func (s *streams) env(name string) string {
	for i := len(s.Environ) - 1; i >= 0; i-- {
		if e := s.Environ[i]; len(e) > len(name) && e[:len(name)] == name && e[len(name)] == '=' {
			return e[len(name)+1:]
		}
	}
	return ""
}

// dumb reports whether the terminal knows no escape sequences.
func (s *streams) dumb() bool { return s.env("TERM") == "dumb" }

// color resolves --color: auto follows NO_COLOR, CLICOLOR_FORCE and whether Out is a terminal that knows colors.
func (s *streams) color(when string) bool {
	switch when {
	case "always":
		return true
	case "never":
		return false
	}
	if s.env("NO_COLOR") != "" {
		return false
	}
	return s.env("CLICOLOR_FORCE") != "" || s.OutTTY && !s.dumb()
}
