package log

import (
	"bufio"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// Translating readers go through buffers of any length: a line longer than the reader's buffer leaves it a single byte.
func TestTranslatedLinesLongerThanTheBuffer(t *testing.T) {
	text := `{"a": "` + strings.Repeat("x", 300_000) + `"}`
	wide := make([]byte, 0, 2*len(text))
	for _, c := range text + strings.Repeat("é€😀", 10) {
		for _, u := range encode(c) {
			wide = binary.LittleEndian.AppendUint16(wide, u)
		}
	}
	for length := 1; length <= 2*smallest; length++ {
		buf, got := make([]byte, length), 0
		in := &small{in: &utf16Reader{in: bufio.NewReader(strings.NewReader(string(wide))), order: binary.LittleEndian}}
		for {
			n, err := in.Read(buf)
			got += n
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			require.Positive(t, n, "a buffer of %d bytes", length)
		}
		require.Equal(t, len(text)+10*len("é€😀"), got)
	}
	require.NoError(t, iotest.TestReader(&small{in: strings.NewReader(text)}, []byte(text)))
}

func encode(r rune) []uint16 {
	if r < 0x10000 {
		return []uint16{uint16(r)}
	}
	r -= 0x10000
	return []uint16{uint16(0xd800 + r>>10), uint16(0xdc00 + r&0x3ff)}
}
