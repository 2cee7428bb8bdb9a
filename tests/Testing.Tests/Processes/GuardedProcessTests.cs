using System.Globalization;
using ConcertSaga.Testing.Processes;
using Xunit;

namespace ConcertSaga.Testing.Tests.Processes;

public sealed class GuardedProcessTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Process_AbandonedWhilePaused_EndsWithItsChildren()
    {
        // The child has a session of its own, as a backend of PostgreSQL has.
        await using var process = await GuardedProcess.StartAsync(["sh", "-c", "setsid sleep 300 & wait"], [], "/");
        var child = 0;
        await Eventually.TrueAsync(() => int.TryParse(File.ReadAllText($"/proc/{process.ProcessId}/task/{process.ProcessId}/children"),
            CultureInfo.InvariantCulture, out child), Limit, "the child runs");
        process.Pause();

        process.Abandon();

        await Eventually.TrueAsync(() => process.HasExited && !Directory.Exists($"/proc/{child}"), Limit, "both end");
    }
}
