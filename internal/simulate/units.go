package simulate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a time span written with a unit: 300ms, 5m, 1h30m, 2d. A bare number is an error.
type Duration time.Duration

// Share is a share from 0 to 1, written as 20% or 0.2.
type Share float64

// Clock is a time of day in minutes after midnight, written as 08:30.
type Clock int

// valueError is an invalid value with its position, from which its key is found.
type valueError struct {
	line, column int
	err          error
}

func (e *valueError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *valueError) Unwrap() error { return e.err }

func scalar(n *yaml.Node, parse func(string) error) error {
	if n.Kind != yaml.ScalarNode {
		return &valueError{n.Line, n.Column, errors.New("a single value is needed here, not a list or a map")}
	}
	if err := parse(n.Value); err != nil {
		return &valueError{n.Line, n.Column, err}
	}
	return nil
}

// UnmarshalYAML parses [ParseDuration]'s formats.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	return scalar(n, func(s string) (err error) { *d, err = ParseDuration(s); return err })
}

// MarshalYAML writes a format that UnmarshalYAML reads.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// ParseDuration parses a Go duration, or one with days ("7d", "1d12h").
func ParseDuration(s string) (Duration, error) {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, fmt.Errorf("%q has no unit: write %ss for seconds or %sm for minutes", s, s, s)
	}
	rest, days := s, 0
	if i := strings.IndexByte(s, 'd'); i >= 0 {
		n, err := strconv.Atoi(s[:i])
		if err != nil || n < 0 || n > 10_000 {
			return 0, fmt.Errorf("%q is no duration: write for example 300ms, 5m, 1h30m or 2d", s)
		}
		days, rest = n, s[i+1:]
	}
	var d time.Duration
	if rest != "" || days == 0 {
		var err error
		if d, err = time.ParseDuration(rest); err != nil {
			return 0, fmt.Errorf("%q is no duration: write for example 300ms, 5m, 1h30m or 2d", s)
		}
	}
	if d < 0 || d > 10_000*24*time.Hour {
		return 0, fmt.Errorf("%q is out of range: a duration is positive and at most 10000d", s)
	}
	return Duration(d + time.Duration(days)*24*time.Hour), nil
}

// UnmarshalYAML reads 20% and 0.2.
func (p *Share) UnmarshalYAML(n *yaml.Node) error {
	return scalar(n, func(s string) error {
		number, percent := strings.CutSuffix(s, "%")
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if percent {
			v /= 100
		}
		if err != nil || !(v >= 0 && v <= 1) {
			return fmt.Errorf("%q is no share: write 20%% or 0.2, between nothing and all", s)
		}
		*p = Share(v)
		return nil
	})
}

// UnmarshalYAML reads 08:30.
func (c *Clock) UnmarshalYAML(n *yaml.Node) error {
	return scalar(n, func(s string) error {
		t, err := time.Parse("15:04", s)
		if err != nil {
			return fmt.Errorf("%q is no time of day: write for example 08:30", s)
		}
		*c = Clock(t.Hour()*60 + t.Minute())
		return nil
	})
}

// MarshalYAML writes a format that UnmarshalYAML reads.
func (c Clock) MarshalYAML() (any, error) { return fmt.Sprintf("%02d:%02d", c/60, c%60), nil }

// micros is Unix microseconds, or a span in microseconds, Zeek's resolution.
type micros = int64

const (
	millisecond micros = 1000
	second             = 1000 * millisecond
	minute             = 60 * second
	hour               = 60 * minute
	day                = 24 * hour
)

func (d Duration) micros() micros { return time.Duration(d).Microseconds() }
