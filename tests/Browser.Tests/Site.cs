using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using Microsoft.Data.Sqlite;
using Xunit;

namespace ConcertSaga.Browser.Tests;

/// <summary>The whole system in one process, with a data folder of its own.</summary>
public class Site : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-browser-").FullName;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };
    private ServiceProcess? _process;

    /// <summary>Where browsers open it. The host is a loopback name, so the session's cookies need no https.</summary>
    public Uri Address { get; } = new($"http://localhost:{LoopbackPort.Free()}");

    private string Data => Path.Combine(_folder, "data");

    private string FaultFile => Path.Combine(_folder, "faults.json");

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(FaultFile, "{}");
        _process = await ServiceProcess.StartAsync("AllInOne",
        [
            $"--DataDirectory={Data}", "--Faults:Enabled=true", $"--Faults:File={FaultFile}", "--Reservation:StepTimeout=00:00:02",
            "--Queue:Interval=00:00:01"
        ], address: Address);
    }

    /// <summary>Kills the process.</summary>
    public Task KillAsync() => _process!.KillAsync();

    /// <summary>Restarts it after <see cref="KillAsync"/>.</summary>
    public Task RestartAsync() => _process!.StartAgainAsync();

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_process is not null)
            await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Sets the faults of commands, such as <c>{"ConfirmSeats":{"DropRate":1}}</c>, and waits until they are read.</summary>
    public async Task FaultsAsync(string faults)
    {
        var next = FaultFile + ".next";
        await File.WriteAllTextAsync(next, faults);
        File.Move(next, FaultFile, overwrite: true);
        await Task.Delay(TimeSpan.FromSeconds(2));
    }

    /// <summary>Runs a statement in the database of a service.</summary>
    public async Task ExecuteAsync(string owner, string statement, params (string Name, object Value)[] values)
    {
        await using var connection = new SqliteConnection($"Data Source={Path.Combine(Data, owner + ".db")};Pooling=false");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = statement;
        foreach (var (name, value) in values)
            command.Parameters.AddWithValue(name, value);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Calls the API as a user of the demo sign-in.</summary>
    public async Task<JsonElement> CallAsync(string user, HttpMethod method, string path, object? body = null, string? pass = null,
        params string[] roles)
    {
        using var signIn = await _http.PostAsJsonAsync(new Uri(Address, "/auth/demo"), new { userId = user, roles });
        var token = (await signIn.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("accessToken").GetString();
        using var request = new HttpRequestMessage(method, new Uri(Address, path));
        request.Headers.Authorization = new("Bearer", token);
        request.Headers.Add("Idempotency-Key", Guid.CreateVersion7().ToString());
        if (pass is not null)
            request.Headers.Add("X-Queue-Token", pass);
        if (body is not null)
            request.Content = JsonContent.Create(body);
        using var response = await _http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{method} {path}: {(int)response.StatusCode} {text}");
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement.Clone();
    }

    /// <summary>Reserves seats of the first concert for a customer who has points.</summary>
    /// <returns>The id of the reservation.</returns>
    public async Task<Guid> ReserveAsync(string user, int schedule, int[] seats, bool pays, long points = 1_000_000)
    {
        if (points > 0)
            await CallAsync(user, HttpMethod.Post, "/api/points/charges", new { amount = points });
        var entry = await CallAsync(user, HttpMethod.Post, "/api/queue/tokens", new { concertId = 1 });
        var token = entry.GetProperty("token").GetString()!;
        await Eventually.TrueAsync(async () =>
        {
            var place = await CallAsync(user, HttpMethod.Get, "/api/queue/tokens/current", pass: token);
            token = place.GetProperty("token").GetString()!;
            return place.GetProperty("status").GetString() == "Active";
        }, TimeSpan.FromSeconds(60), "the customer is admitted");
        var made = await CallAsync(user, HttpMethod.Post, "/api/reservations",
            new { scheduleId = schedule, seatNumbers = seats, pay = pays },
            token);
        return made.GetProperty("reservationId").GetGuid();
    }
}
