using System.Text;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Fuzzing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Import;

/// <summary>Whatever a file contains, an import names its wrong lines or can be carried out.</summary>
public sealed class MutatedPlanTests(PostgreSqlServer server, ITestOutputHelper output) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-import-").FullName;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Providers))]
    public async Task Plan_Mutated_IsRefusedByLineOrImportable(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var names = Plan.Keys.Select(name => Path.Combine(_folder, name)).ToArray();
        int refused = 0, importable = 0;

        var count = await Fuzzer.RunAsync([.. Plan.Values.Select(Encoding.UTF8.GetBytes)], async changed =>
        {
            // The changed file takes the place of the one whose columns it has, or of the last one.
            var place = Plan.Values.ToList().FindIndex(text => Encoding.UTF8.GetString(changed).StartsWith(text[..10],
                StringComparison.Ordinal));
            for (var i = 0; i < names.Length; i++)
                await File.WriteAllBytesAsync(names[i], i == (place < 0 ? names.Length - 1 : place) ? changed
                    : Encoding.UTF8.GetBytes(Plan.Values.ElementAt(i)));
            try
            {
                var result = await seats.Service.WithAsync<SeatsDbContext, ImportResult>(database =>
                    SeatImport.RunAsync(database, names, dryRun: true, null, CancellationToken.None));
                Assert.Equal(result.ErrorCount > 0, result.FirstErrors.Count > 0);
                Assert.All(result.FirstErrors, error => Assert.DoesNotContain("Exception", error.ToString(), StringComparison.Ordinal));
                (refused, importable) = result.ErrorCount > 0 ? (refused + 1, importable) : (refused, importable + 1);
            }
            catch (StartupException)
            {
                // The first line does not name the columns.
                refused++;
            }
        });

        output.WriteLine($"{count} plans, {refused} refused, {importable} importable");
        Assert.False(await seats.Service.WithAsync<SeatsDbContext, bool>(database =>
            database.Concerts.AnyAsync(concert => concert.ConcertId == 7)));
    }

    private static readonly Dictionary<string, string> Plan = new()
    {
        ["concerts.csv"] = "concertId,title,venue,saleOpensAt,saleClosesAt,timeZone\n"
            + "7,\"Say \"\"Ja\"\", twice\",Größe 9,2026-05-31T12:00:00Z,2026-08-01T00:00+02:00,Asia/Seoul\n",
        ["venues.csv"] = "venuePlan,section,row,firstSeat,lastSeat,firstLabel,labelStep,priceGroup,accessible,companion,restrictedView\n"
            + "Hall,Stalls,A,1,10,1,2,Best,1 2,3,\nHall,Stalls,B,11,20,20,-1,,,,12 13\n",
        ["schedules.csv"] = "scheduleId,concertId,startsAt,venuePlan\n70,7,2026-07-01 20:00:00+02:00,Hall\n71,7,2026-07-02T20:00:00.5Z,\n",
        ["seats.csv"] = "scheduleId,number,price\n70,1,1500\n70,2,1500\n71,1,900\n"
    };
}
