using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.DataPlatform;
using ConcertSaga.Points;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Npgsql;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>
/// Runs Points on a read-only database, a full disk and a deleted file. Charges get 503 with Retry-After, and health reports the reason.
/// </summary>
public sealed class SickDatabaseTests(PostgreSqlServer server)
{
    private const string Secret = "0123456789abcdef0123456789abcdef";

    // Words that only drivers, frameworks and connection strings use.
    private static readonly string[] Drivers =
        ["SQLite Error", "Exception", "Npgsql", "SQLSTATE", "no such table", "relation", "transaction", "connection to",
            "Failed to connect", "Host=", "postgres", "127.0.0.1", "25006", "3D000", "55000"];

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Points_OnAReadOnlyDatabase_RefusesChargesAndServesReads()
    {
        var database = await TestDatabase.CreateAsync(DatabaseProvider.PostgreSql, server);
        await using var service = await StartAsync(database);
        using var client = service.ClientOf("mina");
        Assert.Equal(HttpStatusCode.Created, (await ChargeAsync(client)).StatusCode);
        Assert.Equal("Healthy", (await HealthAsync(service.Stranger)).Status);

        await SetReadOnlyAsync(database, "on");

        await CheckRefusedAsync(client);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/points")).StatusCode);
        await Eventually.TrueAsync(async () => await HealthAsync(service.Stranger) is { Code: 200, Status: "Degraded" } health
            && health.Reason.Contains("cannot be written. The database is read-only.", StringComparison.Ordinal), Limit,
            "health has detected that writes fail");

        await SetReadOnlyAsync(database, "off");
        await Eventually.TrueAsync(async () => (await HealthAsync(service.Stranger)).Status == "Healthy", Limit,
            "health has recovered");
        Assert.Equal(HttpStatusCode.Created, (await ChargeAsync(client)).StatusCode);
    }

    /// <summary>
    /// Limits the file size instead of filling a disk, which needs no mount. SQLite sees a failing write in both cases.
    /// </summary>
    [Fact]
    public async Task Points_OnAFullDisk_RefusesChargesAndServesReads()
    {
        var folder = Directory.CreateTempSubdirectory("concertsaga-test-").FullName;
        var address = new Uri($"http://127.0.0.1:{LoopbackPort.Free()}");
        var program = Repository.ProgramOf("Services/Points");
        string[] settings = [$"--Gateway:Secret={Secret}", "--Database:Provider=Sqlite",
            $"--ConnectionStrings:Points=Data Source={folder}/points.db", "--Messaging:Transport=InMemory"];
        Assert.Equal(0, (await ServiceProcess.RunAsync("Services/Points", ["migrate", .. settings])).ExitCode);
        // The shell ignores the signal that would end the process at a write beyond the limit.
        await using var process = await GuardedProcess.StartAsync(
            ["sh", "-c", "trap '' XFSZ; exec dotnet \"$@\"", "points", program, $"--urls={address}", .. settings],
                new Dictionary<string, string?>(), Path.GetDirectoryName(program)!);
        using var client = new HttpClient { BaseAddress = address };
        client.DefaultRequestHeaders.Add("X-Gateway-Secret", Secret);
        client.DefaultRequestHeaders.Add("X-User-Id", "mina");
        await Eventually.TrueAsync(async () => (await HealthAsync(client)).Status == "Healthy", Limit, "the service is ready");
        Assert.Equal(HttpStatusCode.Created, (await ChargeAsync(client)).StatusCode);

        await LimitFilesAsync(process.ProcessId, "8192");

        await CheckRefusedAsync(client);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/points")).StatusCode);
        await Eventually.TrueAsync(async () => await HealthAsync(client) is { Code: 200, Status: "Degraded" }, Limit,
            "health has detected that writes fail");
        for (var repeat = 0; repeat < 5; repeat++)
            await CheckRefusedAsync(client);
        await LimitFilesAsync(process.ProcessId, "unlimited");
        await Eventually.TrueAsync(async () => (await HealthAsync(client)).Status == "Healthy", Limit, "health has recovered");
        Assert.Equal(HttpStatusCode.Created, (await ChargeAsync(client)).StatusCode);

        var lines = process.Output.Split('\n');
        Assert.Single(lines, line => line.Contains("Requests are answered with 503", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains("fail:", StringComparison.Ordinal)
            || line.Contains("   at ", StringComparison.Ordinal));
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Points_AfterItsFileWasRemoved_RefusesChargesAndIsUnhealthy(bool isReplaced)
    {
        var database = await TestDatabase.CreateAsync(DatabaseProvider.Sqlite, server);
        await using var service = await StartAsync(database);
        using var client = service.ClientOf("mina");
        Assert.Equal(HttpStatusCode.Created, (await ChargeAsync(client)).StatusCode);
        var file = database.ConnectionString["Data Source=".Length..];

        if (isReplaced)
        {
            File.Copy(file, file + ".copy");
            File.Move(file + ".copy", file, overwrite: true);
        }
        else
        {
            File.Delete(file);
        }

        await CheckRefusedAsync(client);
        var health = await HealthAsync(service.Stranger);
        Assert.Equal((503, "Unhealthy"), (health.Code, health.Status));
        Assert.Contains("was deleted, moved or replaced", health.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ALTER DATABASE \"$\" ALLOW_CONNECTIONS false")]
    [InlineData("DROP DATABASE \"$\" WITH (FORCE)")]
    public async Task Points_WithoutItsDatabase_IsUnhealthyAndGivesAReason(string sql)
    {
        var database = await TestDatabase.CreateAsync(DatabaseProvider.PostgreSql, server);
        await using var service = await StartAsync(database);
        Assert.Equal("Healthy", (await HealthAsync(service.Stranger)).Status);

        await ExecuteAsync(await server.CreateDatabaseAsync("other"), string.Join(';',
            $"UPDATE pg_database SET datallowconn = false WHERE datname = '{NameOf(database)}'",
            $"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{NameOf(database)}'"));
        await ExecuteAsync(await server.CreateDatabaseAsync("other"), sql.Replace("$", NameOf(database), StringComparison.Ordinal));

        await Eventually.TrueAsync(async () => await HealthAsync(service.Stranger) is { Code: 503, Status: "Unhealthy" } health
            && health.Reason.Contains("The database cannot be read. The database ", StringComparison.Ordinal), Limit,
            "health has detected that reads fail");
    }

    [Fact]
    public async Task DataPlatform_WithoutATable_GivesAReasonWithoutADriversMessage()
    {
        var database = await TestDatabase.CreateAsync(DatabaseProvider.Sqlite, server);
        await using var service = await RunningService.StartAsync("DataPlatform", database, TimeProvider.System,
            builder => builder.AddDataPlatform(), bus => bus.AddDataPlatformConsumers(), app => app.MapDataPlatform(),
            ("DataPlatform:Destination", "http://127.0.0.1:1/"), ("DataPlatform:AllowedNetworks", "127.0.0.1/32"),
            ("DataPlatform:Secrets", $"whsec_{Convert.ToBase64String(new byte[32])}"));
        await using (var connection = new Microsoft.Data.Sqlite.SqliteConnection(database.ConnectionString))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = "DROP TABLE \"Destinations\"";
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        Assert.Contains("The check fails", (await HealthAsync(service.Stranger)).Reason, StringComparison.Ordinal);
    }

    private static Task<RunningService> StartAsync(TestDatabase database) => RunningService.StartAsync(
        "Points", database, TimeProvider.System, builder => builder.AddPoints(), bus => bus.AddPointsConsumers(), app => app.MapPoints());

    private static async Task<HttpResponseMessage> ChargeAsync(HttpClient client)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post,
            "/api/points/charges")
        {
            Content = JsonContent.Create(new { amount = 10 })
        };
        request.Headers.Add("Idempotency-Key", Guid.CreateVersion7().ToString());
        return await client.SendAsync(request);
    }

    private static async Task CheckRefusedAsync(HttpClient client)
    {
        using var answer = await ChargeAsync(client);
        var body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.ServiceUnavailable, $"{answer.StatusCode} {body}");
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Contains("\"code\":\"UNAVAILABLE\"", body, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Status, string Reason)> HealthAsync(HttpClient client)
    {
        using var answer = await client.GetAsync("/health/ready");
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>();
        var reasons = body.GetProperty("reasons").ToString();
        foreach (var word in Drivers)
            Assert.DoesNotContain(word, reasons, StringComparison.OrdinalIgnoreCase);
        return ((int)answer.StatusCode, body.GetProperty("status").GetString()!, reasons);
    }

    private static async Task SetReadOnlyAsync(TestDatabase database, string value)
    {
        await ExecuteAsync(database.ConnectionString, $"""
            ALTER DATABASE "{NameOf(database)}" SET default_transaction_read_only = {value};
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{NameOf(database)}' AND pid <> pg_backend_pid();
            """);
    }

    private static string NameOf(TestDatabase database) => new NpgsqlConnectionStringBuilder(database.ConnectionString).Database!;

    private static async Task ExecuteAsync(string connectionString, string sql)
    {
        var address = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Pooling = false,
            Options = "-c default_transaction_read_only=off"
        };
        await using var connection = new NpgsqlConnection(address.ConnectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Names of this test.
        command.CommandText = sql;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

    private static async Task LimitFilesAsync(int processId, string bytes)
    {
        using var process = System.Diagnostics.Process.Start("prlimit", [$"--pid={processId}", $"--fsize={bytes}:unlimited"]);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
