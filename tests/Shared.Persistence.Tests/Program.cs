using ConcertSaga.Shared.Persistence.Tests.Crashes;
using Xunit.Runner.InProc.SystemConsole;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>Runs the tests, or the process that a test starts and kills.</summary>
internal static class Program
{
    public static Task<int> Main(string[] args) => args is [Victim.Command, .. var rest] ? Victim.RunAsync(rest) : ConsoleRunner.Run(args);
}
