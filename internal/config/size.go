package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with a unit: 512MiB, 2GiB.
type Size int64

// The units of Size, largest first.
var units = []struct {
	name  string
	bytes Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// ParseSize reads a size. A number without a unit is an error, because its unit is unknown.
func ParseSize(s string) (Size, error) {
	for _, u := range units {
		if text, ok := strings.CutSuffix(s, u.name); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err == nil && n >= 0 && n*float64(u.bytes) < 1<<62 {
				return Size(n * float64(u.bytes)), nil
			}
		}
	}
	return 0, fmt.Errorf("%q is not a size: want a number with a unit, as in 512MiB or 2GiB", s)
}

// String writes the size in the largest unit that leaves no fraction.
func (s Size) String() string {
	for _, u := range units {
		if s >= u.bytes && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", s/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", int64(s))
}

func sizeHook(from, to reflect.Type, data any) (any, error) {
	if to != reflect.TypeFor[Size]() {
		return data, nil
	}
	if from.Kind() != reflect.String {
		return nil, fmt.Errorf("%v has no unit: want a size as in 512MiB or 2GiB", data)
	}
	return ParseSize(data.(string))
}
