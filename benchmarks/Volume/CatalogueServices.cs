using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator;
using ConcertSaga.Orchestrator.Data;
using ConcertSaga.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// The statements the study is about, taken from the services themselves: each is asked once for what it does, and listened to. The relay's
/// is a constant of its code.
/// </summary>
internal sealed record CatalogueServices(
    SentStatement SeatMap, SentStatement Dates, SentStatement SeatsOfUser, SentStatement Hold, SentStatement Sell, SentStatement Release,
    SentStatement UsersReservations, SentStatement Overdue, SentStatement Due)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task<CatalogueServices> ListenAsync(string seatsAddress, string orchestratorAddress, SentStatement due, Catalogue catalogue)
    {
        var sent = new SentStatements();
        SentStatement seatMap, dates, seatsOfUser, hold, sell, release, usersReservations, overdue;
        await using (var seats = await RunningService.StartAsync(
            "Seats", TestDatabase.At(DatabaseProvider.PostgreSql, seatsAddress), TimeProvider.System,
            builder =>
            {
                builder.AddSeats();
                builder.Services.ConfigureDbContext<PostgreSqlSeatsDbContext>(options => options.AddInterceptors(sent));
            },
            bus => bus.AddSeatsConsumers(), app => app.MapSeats()))
        {
            // The last date that has seats, in the future, of whichever concert it is.
            var scheduleId = catalogue.DatesWithSeats;
            var concertId = (scheduleId - 1) % catalogue.Concerts + 1;
            using var client = seats.ClientOf("mina");
            var now = TimeProvider.System.GetUtcNow();
            await client.GetStringAsync($"/api/schedules/{scheduleId}/seats");
            // Not the last at all: the service also tells of its concerts by itself.
            seatMap = Last("JOIN \"Seats\"");
            await client.GetStringAsync($"/api/concerts/{concertId}/schedules?from={Day(now.AddDays(10))}&to={Day(now.AddDays(40))}");
            dates = Last("\"AvailableSeats\"");
            var command = new HoldSeats(Guid.CreateVersion7(), 1, "mina", null, scheduleId, [Catalogue.SeatsOfDate - 1, Catalogue.SeatsOfDate]);
            await seats.AskAsync(CommandQueues.HoldSeats, command);
            seatsOfUser = Last("sum(");
            hold = Last("UPDATE \"Seats\"");
            await seats.AskAsync(CommandQueues.ConfirmSeats, new ConfirmSeats(command.ReservationId, 1));
            sell = Last("UPDATE \"Seats\"");
            await seats.AskAsync(CommandQueues.ReleaseSeats, new ReleaseSeats(command.ReservationId, 1));
            release = Last("UPDATE \"Seats\"");
        }
        IConfiguration? configuration = null;
        await using (var orchestrator = await RunningService.StartAsync(
            "Orchestrator", TestDatabase.At(DatabaseProvider.PostgreSql, orchestratorAddress), TimeProvider.System,
            builder =>
            {
                configuration = builder.Configuration;
                builder.AddOrchestrator();
                builder.Services.ConfigureDbContext<PostgreSqlOrchestratorDbContext>(options => options.AddInterceptors(sent));
            },
            bus => bus.AddOrchestratorConsumers(configuration!), app => app.MapOrchestrator()))
        {
            using var client = orchestrator.ClientOf("user-7");
            await client.GetStringAsync("/api/reservations");
            usersReservations = Last("\"CreatedAt\" DESC");
            await Eventually.TrueAsync(() => sent.All.Any(one => one.Text.Contains("\"Deadline\" <=", StringComparison.Ordinal)), Limit, "the sweeper has looked");
            overdue = Last("\"Deadline\" <=");
        }
        return new CatalogueServices(seatMap, dates, seatsOfUser, hold, sell, release, usersReservations, overdue, due);

        SentStatement Last(string part) => sent.All.Last(one => one.Text.Contains(part, StringComparison.Ordinal));
    }

    private static string Day(DateTimeOffset instant) => instant.UtcDateTime.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
}
