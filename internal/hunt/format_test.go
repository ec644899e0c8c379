package hunt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 44188: "44,188", 123456789: "123,456,789", -1000: "-1,000", -100: "-100"} {
		require.Equal(t, want, Count(n))
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KB", 1743300: "1.7 MB", 5 << 30: "5 GB", 1 << 60: "1024 PB"} {
		require.Equal(t, want, Size(n))
	}
}

func TestMany(t *testing.T) {
	for n, want := range map[int]string{0: "0 findings", 1: "1 finding", 2: "2 findings", 1204: "1,204 findings"} {
		require.Equal(t, want, Many(n, "finding"))
	}
}

func TestBrief(t *testing.T) {
	for s, want := range map[float64]string{0: "0s", 0.25: "0.25s", 0.999: "1s", 45: "45s", 59.97: "1m", 60: "1m", 300: "5m", 599: "10m", 3900: "65m", 7198: "2h", 86040: "23.9h", 172800: "2d", 210000: "2.4d"} {
		require.Equal(t, want, Brief(s), "%g s", s)
	}
}
