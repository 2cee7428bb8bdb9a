using System.Globalization;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace ConcertSaga.Seats.Data;

public abstract class SeatsDbContext(DbContextOptions options) : ServiceDbContext(options)
{
    public DbSet<Concert> Concerts => Set<Concert>();

    public DbSet<Schedule> Schedules => Set<Schedule>();

    public DbSet<VenuePlan> VenuePlans => Set<VenuePlan>();

    public DbSet<Seat> Seats => Set<Seat>();

    public DbSet<SeatHold> SeatHolds => Set<SeatHold>();

    public DbSet<OperatorAction> OperatorActions => Set<OperatorAction>();

    /// <summary>
    /// Locks the seats of schedules until the transaction ends. Other changes wait here, so later reads stay true until the commit.
    /// </summary>
    /// <param name="scheduleIds">In ascending order, so that two transactions cannot deadlock.</param>
    /// <param name="lockWait">Ends the wait.</param>
    public virtual Task LockAsync(int[] scheduleIds, CancellationToken lockWait) =>
        Schedules.Where(schedule => scheduleIds.Contains(schedule.ScheduleId)).ExecuteUpdateAsync(
            set => set.SetProperty(schedule => schedule.Version, schedule => schedule.Version), lockWait);

    /// <summary>Reads seats, each by its key.</summary>
    public abstract IQueryable<Seat> SeatsAt(IReadOnlyCollection<SeatKey> keys);

    /// <summary>
    /// Locks a schedule for a change of its times or its cancellation. It must be the first statement of the transaction. It skips a
    /// version, so each client that watches the seat map notices a gap and reads the map again.
    /// </summary>
    /// <returns>Whether the schedule exists.</returns>
    public async Task<bool> ChangeScheduleAsync(int scheduleId, CancellationToken cancellationToken) =>
        await Schedules.Where(schedule => schedule.ScheduleId == scheduleId).ExecuteUpdateAsync(
            set => set.SetProperty(schedule => schedule.Version, schedule => schedule.Version + 2), cancellationToken) == 1;

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Concert>(concert =>
        {
            concert.Property(c => c.ConcertId).ValueGeneratedNever();
            concert.Property(c => c.Title).HasMaxLength(200);
            concert.Property(c => c.Venue).HasMaxLength(200);
            // Replicas of the previous version insert concerts without it.
            concert.Property(c => c.TimeZone).HasMaxLength(64).HasDefaultValue(Concert.DefaultTimeZone);
            concert.HasMany(c => c.Schedules).WithOne(s => s.Concert).HasForeignKey(s => s.ConcertId).OnDelete(DeleteBehavior.Restrict);
        });
        model.Entity<Schedule>(schedule =>
        {
            schedule.Property(s => s.ScheduleId).ValueGeneratedNever();
            // No foreign key: its index would serve no query, and plans are never deleted.
            schedule.Property(s => s.VenuePlanId).HasMaxLength(32);
            // A last line of defence: seats only change under the lock of their schedule.
            schedule.Property(s => s.Version).IsConcurrencyToken();
            // For listing the schedules of a concert in order, page by page.
            schedule.HasIndex(s => new { s.ConcertId, s.StartsAt, s.ScheduleId });
            schedule.HasMany(s => s.Seats).WithOne(s => s.Schedule).HasForeignKey(s => s.ScheduleId).OnDelete(DeleteBehavior.Restrict);
        });
        model.Entity<VenuePlan>(plan => plan.Property(p => p.VenuePlanId).HasMaxLength(32).ValueGeneratedNever());
        model.Entity<Seat>(seat =>
        {
            seat.HasKey(s => new { s.ScheduleId, s.Number });
            seat.Property(s => s.Status).HasConversion<string>().HasMaxLength(16);
            // No index but the key: every hold, sale and release is cheaper if it changes no indexed column. The seats of a reservation
            // are found among the few of its schedule (docs/index-study.md).
        });
        model.Entity<SeatHold>(hold =>
        {
            hold.HasKey(h => h.ReservationId);
            hold.Property(h => h.ReservationId).ValueGeneratedNever();
            hold.Property(h => h.UserId).HasMaxLength(200);
            // Decisions are read before the lock. If one has changed meanwhile, the update fails and the command is handled again.
            hold.Property(h => h.Status).HasConversion<string>().HasMaxLength(16).IsConcurrencyToken();
            hold.Property(h => h.Code).HasMaxLength(64).IsConcurrencyToken();
            StoreAsText(hold.Property(h => h.SeatNumbers));
            StoreAsText(hold.Property(h => h.RefusedSeats));
            // For counting the seats a user has of a concert.
            hold.HasIndex(h => new { h.UserId, h.ConcertId });
            // For the cleaner. A sale never touches this index.
            hold.HasIndex(h => h.UpdatedAt).HasFilter("\"Status\" IN ('Refused', 'Released')");
        });
        model.AddOperatorActions();
    }

    // As "7,8", readable in any query tool.
    private static void StoreAsText(PropertyBuilder<int[]> numbers) => numbers.HasConversion(
        value => string.Join(',', value),
        text => Parse(text),
        new ValueComparer<int[]>((a, b) => a!.SequenceEqual(b!), value => value.Length, value => value.ToArray()));

    private static int[] Parse(string text) =>
        [.. text.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
}

/// <summary>The key of a seat.</summary>
public readonly record struct SeatKey(int ScheduleId, int Number);

public sealed class SqliteSeatsDbContext(DbContextOptions<SqliteSeatsDbContext> options) : SeatsDbContext(options)
{
    public override IQueryable<Seat> SeatsAt(IReadOnlyCollection<SeatKey> keys)
    {
        var list = JsonSerializer.Serialize(keys);
        return Seats.FromSql($"""
            SELECT s.* FROM json_each({list}) AS k
            JOIN "Seats" AS s ON s."ScheduleId" = k.value ->> 'ScheduleId' AND s."Number" = k.value ->> 'Number'
            """);
    }
}

public sealed class PostgreSqlSeatsDbContext(DbContextOptions<PostgreSqlSeatsDbContext> options) : SeatsDbContext(options)
{
    // An update would leave a dead row version for each lock, and does not promise an order.
    public override Task LockAsync(int[] scheduleIds, CancellationToken lockWait) => Database.ExecuteSqlAsync(
        $"""SELECT FROM "Schedules" WHERE "ScheduleId" = ANY ({scheduleIds}) ORDER BY "ScheduleId" FOR NO KEY UPDATE""", lockWait);

    public override IQueryable<Seat> SeatsAt(IReadOnlyCollection<SeatKey> keys)
    {
        int[] schedules = [.. keys.Select(key => key.ScheduleId)];
        int[] numbers = [.. keys.Select(key => key.Number)];
        return Seats.FromSql($"""
            SELECT s.* FROM unnest({schedules}, {numbers}) AS k (schedule, number)
            JOIN "Seats" AS s ON s."ScheduleId" = k.schedule AND s."Number" = k.number
            """);
    }

    protected override void OnModelCreating(ModelBuilder model)
    {
        base.OnModelCreating(model);
        // Leaves room for the new version of a row beside the old one, so updates need not touch the index.
        model.Entity<Seat>().HasStorageParameter("fillfactor", 80);
    }
}

public sealed class SqlServerSeatsDbContext(DbContextOptions<SqlServerSeatsDbContext> options) : SeatsDbContext(options)
{
    public override IQueryable<Seat> SeatsAt(IReadOnlyCollection<SeatKey> keys)
    {
        var list = JsonSerializer.Serialize(keys);
        return Seats.FromSql($"""
            SELECT s.* FROM OPENJSON({list}) WITH ([ScheduleId] int, [Number] int) AS k
            JOIN [Seats] AS s ON s.[ScheduleId] = k.[ScheduleId] AND s.[Number] = k.[Number]
            """);
    }
}

// Used by the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteSeatsDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlSeatsDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerSeatsDbContext>(DatabaseProvider.SqlServer, o => new(o));
