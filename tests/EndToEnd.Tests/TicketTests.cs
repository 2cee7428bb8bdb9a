using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>A bought ticket opens the door, which is offline, until it is cancelled.</summary>
[Trait("Part", "Sale")]
public sealed class TicketTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-door-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Ticket_FromPurchaseToCancellation_IsVerifiedOffline()
    {
        var system = await systems.GetAsync(SystemKind.Embedded, database, broker);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var seats = system.Seats.Take(2);
        var bought = await customer.ReserveAsync(seats, pay: true, prefer: "wait=10");
        Assert.True(bought.Status == 201 && bought.ReservationStatus == "Confirmed", bought.ToString());

        var ticket = await customer.GetAsync($"/api/reservations/{bought.ReservationId}/ticket");
        Assert.True(ticket.Status == 200, ticket.ToString());
        Assert.Equal(200, (await customer.GetAsync($"/api/concerts/{ticket.Number("concertId")}/schedules")).Status);
        Assert.Contains('/', ticket.Text("timeZone")!);
        var stranger = await Customer.SignInAsync(system);
        Assert.Equal(404, (await stranger.GetAsync($"/api/reservations/{bought.ReservationId}/ticket")).Status);

        var code = ticket.Text("code")!;
        var keys = await DownloadAsync(system, "/api/tickets/keys");
        var before = await DownloadAsync(system, $"/api/tickets/revoked/{seats.ScheduleId}");
        await ExpectAsync(0, $"valid: holder {ticket.Text("holder")}, seats {string.Join(", ", seats.Numbers)} of schedule "
            + $"{seats.ScheduleId}", code, "--keys", keys, "--revoked", before);
        await ExpectAsync(2, "rejected: the signature is wrong", code[..^10] + (code[^10] == 'A' ? 'B' : 'A') + code[^9..], "--keys", keys);

        var cancelled = await customer.CancelAsync(bought.ReservationId, prefer: "wait=10");
        Assert.True(cancelled.Status == 200, cancelled.ToString());
        Assert.Equal(409, (await customer.GetAsync($"/api/reservations/{bought.ReservationId}/ticket")).Status);
        var after = await DownloadAsync(system, $"/api/tickets/revoked/{seats.ScheduleId}");
        await ExpectAsync(2, $"rejected: reservation {bought.ReservationId} was cancelled.", code, "--keys", keys, "--revoked", after);
        await ExpectAsync(1, "--keys is missing", code);
        await ExpectAsync(1, "cannot be read", code, "--keys", Path.Combine(_folder, "nowhere.json"));
    }

    private async Task<string> DownloadAsync(ISystem system, string path)
    {
        var answer = await Customer.SendAsync(system.Address, HttpMethod.Get, path, null, null);
        Assert.True(answer.Status == 200, answer.ToString());
        var file = Path.Combine(_folder, $"{Guid.CreateVersion7():n}.json");
        await File.WriteAllTextAsync(file, answer.Body.GetRawText());
        return file;
    }

    private static async Task ExpectAsync(int code, string text, params string[] arguments)
    {
        var (exitCode, output) = await ServiceProcess.RunAsync(EmbeddedSystem.Project, ["tickets", "verify", .. arguments]);
        Assert.True(exitCode == code && output.Contains(text, StringComparison.Ordinal), $"{exitCode}: {output}");
        Assert.Single(output.Trim().Split('\n'));
    }
}
