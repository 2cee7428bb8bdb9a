using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Operations.Tests.Reservations;

public sealed class ReservationReportEndpointsTests(PostgreSqlServer server)
{
    private static readonly string Route = $"reservations/{Sheets.Id}";

    [Fact]
    public async Task Report_OfAReservation_HasTheFactsOfEachOwner()
    {
        await using var owners = await FillAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);

        var (status, report) = await operations.CallAsync(HttpMethod.Get, Route);

        Assert.Equal(200, status);
        Assert.Equal("Confirmed", report.GetProperty("reservation").GetProperty("state").GetString());
        Assert.Equal((1, 0), (report.GetProperty("transitions").GetArrayLength(), report.GetProperty("actions").GetArrayLength()));
        var facts = report.GetProperty("facts");
        Assert.Equal("Confirmed", facts.GetProperty("seats").GetProperty("status").GetString());
        Assert.Equal(2, facts.GetProperty("seats").GetProperty("seats").GetArrayLength());
        Assert.Equal("Deducted", facts.GetProperty("points").GetProperty("deductions")[0].GetProperty("status").GetString());
        Assert.Equal("Confirmed", facts.GetProperty("payments").GetProperty("status").GetString());
        Assert.Equal(1, facts.GetProperty("dataPlatform").GetArrayLength());
        Assert.Equal((0, 0), (report.GetProperty("findings").GetArrayLength(), report.GetProperty("missing").GetArrayLength()));
    }

    [Fact]
    public async Task Report_WithoutAnOwner_NamesItAndShowsTheOthers()
    {
        await using var owners = await FillAsync();
        owners.Points.Clear();
        owners.Away["/internal/facts/payments"] = true;
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);

        var (status, report) = await operations.CallAsync(HttpMethod.Get, Route);

        Assert.Equal(200, status);
        Assert.Equal(["Payments"], report.GetProperty("missing").EnumerateArray().Select(owner => owner.GetString()));
        var finding = Assert.Single(report.GetProperty("findings").EnumerateArray());
        Assert.Equal(("Points", "DebitsMatchOutcomes"),
            (finding.GetProperty("owner").GetString(), finding.GetProperty("invariant").GetString()));
    }

    /// <summary>The saga moves on between the reads, so the parts belong to different states.</summary>
    [Theory]
    [InlineData(1, 2, 1)]
    [InlineData(9, 3, 0)]
    public async Task Report_OfAMovingReservation_ReadsItAgain(int changes, int reads, int findings)
    {
        await using var owners = await FillAsync();
        owners.Points.Clear();
        var version = owners.Reservations[Sheets.Id].Version;
        owners.Version = () => changes-- > 0 ? version - 1 : version;
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);

        var (_, report) = await operations.CallAsync(HttpMethod.Get, Route);

        Assert.Equal(findings, report.GetProperty("findings").GetArrayLength());
        Assert.Equal(reads, owners.Requests[$"/internal/reservations/{Sheets.Id}"]);
    }

    [Theory]
    [InlineData(null, 403, "FORBIDDEN")]
    [InlineData("ops", 404, "RESERVATION_NOT_FOUND")]
    public async Task Report_ThatIsNotThere_IsRefused(string? roles, int status, string code)
    {
        await using var owners = await OwnersStub.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);

        var answer = await operations.CallAsync(HttpMethod.Get, Route, roles: roles);

        Assert.Equal((status, code), (answer.Status, answer.Body.GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Report_WithoutTheOrchestrator_IsUnavailable()
    {
        await using var owners = await FillAsync();
        owners.Away[$"/internal/reservations/{Sheets.Id}"] = true;
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);

        var answer = await operations.CallAsync(HttpMethod.Get, Route);

        Assert.Equal((503, "UNAVAILABLE"), (answer.Status, answer.Body.GetProperty("code").GetString()));
    }

    private static async Task<OwnersStub> FillAsync()
    {
        var owners = await OwnersStub.StartAsync();
        var sheet = Sheets.In("Confirmed");
        owners.Reservations[Sheets.Id] = sheet.Reservation!;
        owners.Seats[Sheets.Id] = sheet.Seats!;
        owners.Points[Sheets.Id] = sheet.Points!;
        owners.Payments[Sheets.Id] = sheet.Payment!;
        owners.Deliveries.Add(sheet.Deliveries[0]);
        return owners;
    }
}
