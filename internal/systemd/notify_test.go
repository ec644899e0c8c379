package systemd

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNotifier(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer socket.Close()
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000"}
	n := New(func(k string) string { return env[k] })
	heard := func() string {
		b := make([]byte, 64)
		require.NoError(t, socket.SetReadDeadline(time.Now().Add(10*time.Second)))
		k, err := socket.Read(b)
		require.NoError(t, err)
		return string(b[:k])
	}
	require.NoError(t, n.Send("READY=1"))
	require.Equal(t, "READY=1", heard())

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { n.Watchdog(ctx, func() bool { return true }); close(ended) }()
	require.Equal(t, "WATCHDOG=1", heard())
	require.Equal(t, "WATCHDOG=1", heard())
	stop()
	<-ended

	// Without systemd Send does nothing and succeeds; a missing socket is an error.
	require.NoError(t, Notifier{}.Send("READY=1"))
	Notifier{}.Watchdog(t.Context(), func() bool { return true })
	env["NOTIFY_SOCKET"] = filepath.Join(t.TempDir(), "gone")
	require.ErrorContains(t, New(func(k string) string { return env[k] }).Send("READY=1"), "READY=1")
}
