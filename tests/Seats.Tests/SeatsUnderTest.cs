using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace ConcertSaga.Seats.Tests;

/// <summary>The seats service with concerts 1 and 2 on sale; dates are added by each test.</summary>
internal sealed class SeatsUnderTest(RunningService service, FakeTimeProvider clock, string connectionString) : IAsyncDisposable
{
    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    private int _lastScheduleId;

    public RunningService Service { get; } = service;

    public FakeTimeProvider Clock { get; } = clock;

    /// <summary>Leads to its database.</summary>
    public string ConnectionString => connectionString;

    public static Task<SeatsUnderTest> StartAsync(DatabaseProvider provider, PostgreSqlServer server, params (string Key, string Value)[] settings) =>
        StartAsync(provider, server, null, settings);

    public static async Task<SeatsUnderTest> StartAsync(
        DatabaseProvider provider, PostgreSqlServer server, IInterceptor? interceptor, params (string Key, string Value)[] settings)
    {
        var clock = new FakeTimeProvider(Now);
        var database = await TestDatabase.CreateAsync(provider, server);
        var service = await RunningService.StartAsync(
            "Seats", database, clock,
            builder =>
            {
                builder.AddSeats();
                if (interceptor is null)
                    return;
                builder.Services.ConfigureDbContext<SqliteSeatsDbContext>(options => options.AddInterceptors(interceptor));
                builder.Services.ConfigureDbContext<PostgreSqlSeatsDbContext>(options => options.AddInterceptors(interceptor));
            },
            bus => bus.AddSeatsConsumers(), app => app.MapSeats(), settings);
        var seats = new SeatsUnderTest(service, clock, database.ConnectionString);
        await seats.SaveAsync(Concert(1, Now.AddDays(-1), Now.AddDays(60)), Concert(2, Now.AddDays(-1), Now.AddDays(60)));
        return seats;
    }

    public static Concert Concert(int concertId, DateTimeOffset opensAt, DateTimeOffset closesAt) =>
        new() { ConcertId = concertId, Title = $"Concert {concertId}", Venue = "Hall", SaleOpensAt = opensAt, SaleClosesAt = closesAt };

    public Task SaveAsync(params object[] rows) => Service.WithAsync<SeatsDbContext, int>(database =>
    {
        database.AddRange(rows);
        return database.SaveChangesAsync();
    });

    /// <summary>Adds a date with free seats at 1,000 points each.</summary>
    public async Task<int> AddDateAsync(int seats = 10, int concertId = 1, DateTimeOffset? startsAt = null)
    {
        var scheduleId = Interlocked.Increment(ref _lastScheduleId);
        await SaveAsync(new Schedule
        {
            ScheduleId = scheduleId,
            ConcertId = concertId,
            StartsAt = startsAt ?? Now.AddDays(30),
            TotalSeats = seats,
            AvailableSeats = seats,
            Seats = [.. Enumerable.Range(1, seats).Select(number => new Seat { Number = number, Price = 1_000 })]
        });
        return scheduleId;
    }

    /// <summary>
    /// Opens the connections and compiles the queries of as many commands as are handled at a time, with commands about another date. Without
    /// it the first command of a crowd is done before the others have begun, and a race that should be tested does not happen.
    /// </summary>
    public async Task WarmUpAsync()
    {
        var scheduleId = await AddDateAsync(seats: 32, concertId: 2);
        var commands = Enumerable.Range(1, 32).Select(number => Hold(scheduleId, number)).ToList();
        await Task.WhenAll(commands.Select(AskAsync));
        await Task.WhenAll(commands.Select(command => ConfirmAsync(command.ReservationId)));
        await Task.WhenAll(commands.Select(command => ReleaseAsync(command.ReservationId)));
    }

    public static HoldSeats Hold(int scheduleId, params int[] numbers)
    {
        var reservationId = Guid.CreateVersion7();
        return new HoldSeats(reservationId, 1, $"user-{reservationId}", null, scheduleId, numbers);
    }

    public Task<object> AskAsync(HoldSeats command) => Service.AskAsync(CommandQueues.HoldSeats, command);

    public Task<object> ConfirmAsync(Guid reservationId) => Service.AskAsync(CommandQueues.ConfirmSeats, new ConfirmSeats(reservationId, 1));

    public Task<object> ReleaseAsync(Guid reservationId) => Service.AskAsync(CommandQueues.ReleaseSeats, new ReleaseSeats(reservationId, 1));

    public Task<Schedule> DateAsync(int scheduleId) => Service.WithAsync<SeatsDbContext, Schedule>(database =>
        database.Schedules.AsNoTracking().Include(date => date.Seats).SingleAsync(date => date.ScheduleId == scheduleId));

    public Task<SeatHold> DecisionAsync(Guid reservationId) => Service.WithAsync<SeatsDbContext, SeatHold>(async database =>
        (await database.FindDecisionAsync(reservationId, CancellationToken.None))!);

    /// <summary>What must be true of a date whenever no command is under way. Returns the date.</summary>
    public async Task<Schedule> AssertConsistentAsync(int scheduleId)
    {
        var date = await DateAsync(scheduleId);
        var holds = await Service.WithAsync<SeatsDbContext, List<SeatHold>>(database =>
            database.SeatHolds.AsNoTracking().Where(hold => hold.ScheduleId == scheduleId).ToListAsync());
        var expected = holds.Where(hold => hold.Status is SeatHoldStatus.Held or SeatHoldStatus.Confirmed)
            .SelectMany(hold => hold.SeatNumbers.Select(number => (
                number, (Guid?)hold.ReservationId, hold.Status == SeatHoldStatus.Held ? SeatStatus.Held : SeatStatus.Sold)))
            .Order();
        var taken = date.Seats.Where(seat => seat.Status != SeatStatus.Available)
            .Select(seat => (seat.Number, seat.ReservationId, seat.Status)).Order();
        Assert.Equal(expected, taken);
        Assert.All(date.Seats, seat => Assert.Equal(seat.Status == SeatStatus.Available, seat.ReservationId is null));
        Assert.Equal(date.Seats.Count(seat => seat.Status == SeatStatus.Available), date.AvailableSeats);
        return date;
    }

    public ValueTask DisposeAsync() => Service.DisposeAsync();
}
