using ConcertSaga.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Seeds, imports and loses seats.</summary>
internal static class SeatsScenario
{
    // Another process inserts the same concerts at the same moment, so the first attempt fails.
    public static async Task SeedAsync(ProductHost host, EmulatedServer server)
    {
        server.Before["INSERT INTO [Concerts]"] =
            "INSERT INTO Concerts (ConcertId, Title, Venue, SaleOpensAt, SaleClosesAt) VALUES (1, '', '', '2020-01-01', '2020-01-01')";
        await Assert.ThrowsAsync<DbUpdateException>(() => SeatsService.SeedDemoDataAsync(host.Services, CancellationToken.None));
        await SeatsService.SeedDemoDataAsync(host.Services, CancellationToken.None);
    }

    // SqlBulkCopy, which the real server would receive, is a protocol without statements. Here rows are inserted one by one.
    public static async Task ImportAsync(ProductHost host)
    {
        var folder = Directory.CreateTempSubdirectory("concertsaga-import-");
        try
        {
            string[] files = [Path.Combine(folder.FullName, "concerts.csv"), Path.Combine(folder.FullName, "schedules.csv"),
                Path.Combine(folder.FullName, "seats.csv"), Path.Combine(folder.FullName, "hall.csv")];
            await File.WriteAllTextAsync(files[0],
                "concertId,title,venue,saleOpensAt,saleClosesAt\n700,Import,Hall,2026-05-31T12:00:00Z,2090-08-01T00:00:00Z\n");
            await File.WriteAllTextAsync(files[1], "scheduleId,concertId,startsAt,venuePlan\n7000,700,2090-07-01T20:00:00Z,H\n");
            await File.WriteAllTextAsync(files[3], "venuePlan,section,row,firstSeat,lastSeat\nH,Stalls,A,1,2\n");
            await File.WriteAllTextAsync(files[2], "scheduleId,number,price\n7000,1,100\n7000,2,100\n7,51,100\n");
            await using var scope = host.Services.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<SeatsDbContext>();
            var result = await SeatImport.RunAsync(database, files, dryRun: false, null, CancellationToken.None);
            Assert.Equal((1L, 1L, 3L, 0L), (result.Concerts, result.Schedules, result.Seats, result.ErrorCount));
            Assert.Equal(5, (await SeatImport.RunAsync(database, files, dryRun: false, null, CancellationToken.None)).ErrorCount);
            Assert.Equal(2, await database.Schedules.Where(schedule => schedule.ScheduleId == 7000)
                .Select(schedule => schedule.AvailableSeats).SingleAsync());
            Assert.Equal(51, await database.Schedules.Where(schedule => schedule.ScheduleId == 7)
                .Select(schedule => schedule.TotalSeats).SingleAsync());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Moves a schedule, then cancels it with the reservation that holds a seat of it.
    public static async Task OperateAsync(ProductHost host)
    {
        var id = (await host.CallAsync("otto", HttpMethod.Post, "/api/reservations", new { scheduleId = 6, seatNumbers = new[] { 1 } },
            Guid.CreateVersion7())).Body.GetProperty("reservationId").GetGuid();
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Patch, "/ops/api/schedules/6",
            new { startsAt = "2091-01-01", saleClosesAt = "2091-01-01", reason = "x" }));
        var started = await host.CallAsync("olga", HttpMethod.Post, "/ops/api/schedules/6/cancel", new { reason = "x" });
        var operation = $"/ops/api/operations/{started.Body.GetProperty("operationId").GetGuid()}";
        await Eventually.TrueAsync(
            async () => (await host.CallAsync("olga", HttpMethod.Get, operation)).Body.GetProperty("status").GetString() == "Completed"
                && (await host.CallAsync("otto", HttpMethod.Get, $"/api/reservations/{id}")).Body.GetProperty("status").GetString()
                    == "Cancelled",
            TimeSpan.FromSeconds(60), "the schedule is cancelled");
        await Expect.StatusAsync(200, host.CallAsync("operations", HttpMethod.Get, "/internal/operator-actions/seats"));
    }

    // Another reservation takes the seat while the hold waits for the schedule.
    public static async Task LoseARaceForASeatAsync(ProductHost host, EmulatedServer server)
    {
        server.Before["JOIN [Seats] AS s"] = "UPDATE Seats SET Status = 'Sold' WHERE ScheduleId = 3 AND Number = 9";
        await Expect.StatusAsync(409, host.CallAsync("pia", HttpMethod.Post, "/api/reservations",
            new { scheduleId = 3, seatNumbers = new[] { 9, 10 } }, Guid.CreateVersion7()));
        Assert.Empty(server.Before);
    }
}
