package hunt

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Seconds formats a duration: 45s, 12m30s, 3h05m, 2d04h; less than a second is "0s".
func Seconds(s float64) string {
	d := time.Duration(s * float64(time.Second)).Truncate(time.Second)
	h, m, sec := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h >= 48:
		return fmt.Sprintf("%dd%02dh", h/24, h%24)
	case h > 0:
		return fmt.Sprintf("%dh%02dm", h, m)
	case m > 0:
		return fmt.Sprintf("%dm%02ds", m, sec)
	}
	return fmt.Sprintf("%ds", sec)
}

// Count formats a number with thousands separators.
func Count[T ~int | ~int32 | ~int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Many formats a count with a noun whose plural ends in s or ies: 1 finding, 1,204 findings, 2 queries.
func Many[T ~int | ~int32 | ~int64](n T, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if stem, ok := strings.CutSuffix(one, "y"); ok && !strings.HasSuffix(stem, "a") {
		return Count(n) + " " + stem + "ies"
	}
	return Count(n) + " " + one + "s"
}

// Size formats bytes with at most one decimal, in steps of 1,024.
func Size(n int64) string {
	units, x := []string{"B", "KB", "MB", "GB", "TB", "PB"}, float64(n)
	for len(units) > 1 && x >= 1024 {
		x, units = x/1024, units[1:]
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") + " " + units[0]
}

// Listed names the first few of a list, for a sentence.
func Listed(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %s more", strings.Join(names[:few], ", "), Count(len(names)-few))
}

// Brief formats a duration in one unit, as in list columns: 45s, 5m, 90m, 23.9h, 2d. Below a second it has two
// decimals, otherwise at most one.
func Brief(s float64) string {
	unit := func(n float64, name string) string {
		return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + name
	}
	switch {
	case s < 0.995:
		return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(s, 'f', 2, 64), "0"), ".") + "s"
	case s < 59.95:
		return unit(s, "s")
	case s < 2*3600-3:
		return unit(s/60, "m")
	case s < 48*3600-180:
		return unit(s/3600, "h")
	}
	return unit(s/86400, "d")
}
