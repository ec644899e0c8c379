package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// ParseDuration reads what time.ParseDuration reads, and days: "7d", "1d12h". A number without a unit is an error,
// because 24 could be hours or seconds.
func ParseDuration(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil || !(n >= 0 && n <= 36500) {
		return 0, fmt.Errorf("%q is not a duration: want a number with a unit, as in 90s, 24h or 7d", s)
	}
	d := time.Duration(n * 24 * float64(time.Hour))
	if rest == "" && found {
		return d, nil
	}
	r, err := time.ParseDuration(rest)
	if err != nil || rest == "0" {
		return 0, fmt.Errorf("%q is not a duration: want a number with a unit, as in 90s, 24h or 7d", s)
	}
	return d + r, nil
}

// ParsePrefix reads a network in CIDR notation; a bare address is that address alone.
func ParsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Masked() != p {
			return netip.Prefix{}, fmt.Errorf("%q has bits set behind its mask: did you mean %s?", s, p.Masked())
		}
		return p, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, fmt.Errorf("%q is not a network: want CIDR, as in 10.0.0.0/8 or fd00::/8", s)
}

func durationHook(from, to reflect.Type, data any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return data, nil
	}
	if from.Kind() != reflect.String {
		return nil, fmt.Errorf("%v has no unit: want a duration as in 90s, 24h or 7d", data)
	}
	return ParseDuration(data.(string))
}

func prefixHook(from, to reflect.Type, data any) (any, error) {
	if to != reflect.TypeFor[netip.Prefix]() {
		return data, nil
	}
	if from.Kind() != reflect.String {
		return nil, fmt.Errorf("%v is not a network", data)
	}
	return ParsePrefix(data.(string))
}

var invalidKeys = regexp.MustCompile(`'([^']*)' has invalid keys: (.*)`)

// decodeErrors turns the decoder's errors into one per key, starting with the key as the file spells it.
func decodeErrors(err error) (out []error) {
	for _, e := range unjoin(err) {
		var field *mapstructure.DecodeError
		if m := invalidKeys.FindStringSubmatch(e.Error()); m != nil {
			for name := range strings.SplitSeq(m[2], ", ") {
				full := strings.TrimPrefix(strings.ToLower(m[1])+"."+name, ".")
				out = append(out, fmt.Errorf("%s: no such setting%s", full, suggestion(full)))
			}
		} else if errors.As(e, &field) {
			out = append(out, fmt.Errorf("%s: %w", strings.ToLower(field.Name()), field.Unwrap()))
		} else {
			out = append(out, e)
		}
	}
	return out
}

func unjoin(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range j.Unwrap() {
			out = append(out, unjoin(e)...)
		}
		return out
	}
	if inner := errors.Unwrap(err); inner != nil {
		if _, ok := inner.(interface{ Unwrap() []error }); ok {
			return unjoin(inner)
		}
	}
	return []error{err}
}

// suggestion names the known key closest to a mistyped one, if any is close.
func suggestion(name string) string {
	var names []string
	for _, k := range Keys() {
		names = append(names, k.Name)
	}
	if at := Nearest(name, names); at != "" {
		return " (did you mean " + at + "?)"
	}
	return ""
}

// Nearest returns the name closest to a mistyped one, empty if none is close.
func Nearest(typed string, names []string) string {
	best, at := min(4, len(typed)/2+1), ""
	for _, name := range names {
		if d := distance(typed, name); d < best {
			best, at = d, name
		}
	}
	return at
}

// distance is the Levenshtein distance, 1 for the same letters in another order.
func distance(a, b string) int {
	if x, y := []byte(a), []byte(b); a != b && len(a) == len(b) {
		slices.Sort(x)
		slices.Sort(y)
		if slices.Equal(x, y) {
			return 1
		}
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{cost, row[j] + 1, row[j+1] + 1})
		}
	}
	return row[len(b)]
}
