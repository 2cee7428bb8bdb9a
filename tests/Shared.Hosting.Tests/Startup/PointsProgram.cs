using System.Net;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;

namespace ConcertSaga.Shared.Hosting.Tests.Startup;

/// <summary>Runs the points service, the smallest program with routes, as an example of every process.</summary>
internal static class PointsProgram
{
    public const string Project = "Services/Points";

    public const string Secret = "the-secret-of-the-startup-tests";

    /// <summary>The settings of a process with a database file in the folder and no broker.</summary>
    public static IEnumerable<string> SettingsIn(string folder) =>
    [
        "--Database:Provider=Sqlite", $"--ConnectionStrings:Points=Data Source={Path.Combine(folder, "points.db")}",
        "--Messaging:Transport=InMemory", $"--Gateway:Secret={Secret}"
    ];

    /// <summary>Starts it without waiting until it is ready.</summary>
    public static Task<GuardedProcess> LaunchAsync(IEnumerable<string> arguments)
    {
        var program = Repository.ProgramOf(Project);
        return GuardedProcess.StartAsync(["dotnet", program, .. arguments], [], Path.GetDirectoryName(program)!);
    }

    /// <summary>The status of an answer; null without an answer.</summary>
    public static async Task<HttpStatusCode?> StatusAsync(HttpClient client, string path)
    {
        try
        {
            using var response = await client.GetAsync(path);
            return response.StatusCode;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
