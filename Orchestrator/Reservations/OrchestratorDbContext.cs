using System.Text.Json;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>The orchestrator's database: reservations, their history, inbox and outbox.</summary>
public abstract class OrchestratorDbContext(DbContextOptions options) : DbContext(options)
{
    private const string IsFinished = "\"Deadline\" IS NULL", HasFailed = $"\"FailureCode\" IS NOT NULL AND {IsFinished}";

    private static readonly ValueConverter SeatsAsText = new ValueConverter<int[], string>(
        numbers => string.Join(',', numbers),
        text => text.Length == 0 ? Array.Empty<int>() : Array.ConvertAll(text.Split(','), int.Parse));

    private static readonly ValueComparer<int[]> SameSeats = new(
        (left, right) => left == right || (left != null && right != null && left.SequenceEqual(right)),
        numbers => numbers.Length, numbers => numbers);

    public DbSet<Reservation> Reservations => Set<Reservation>();

    public DbSet<ReservationTransition> Transitions => Set<ReservationTransition>();

    public DbSet<OperatorAction> OperatorActions => Set<OperatorAction>();

    /// <summary>For each booking call, the reservation with its key and the customer's unpaid one. One can come twice.</summary>
    /// <param name="userIds">The customer of each call.</param>
    /// <param name="keys">The idempotency key of each call.</param>
    public abstract IQueryable<Reservation> KnownToCalls(string[] userIds, Guid[] keys);

    protected override void ConfigureConventions(ModelConfigurationBuilder conventions) => conventions.UseProductConventions(this);

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Reservation>(reservation =>
        {
            reservation.ToTable("Reservations");
            reservation.HasKey(r => r.CorrelationId);
            reservation.Property(r => r.CorrelationId).HasColumnName("ReservationId").ValueGeneratedNever();
            reservation.Property(r => r.CurrentState).HasMaxLength(32);
            reservation.Property(r => r.UserId).HasMaxLength(200);
            reservation.Property(r => r.UnpaidUserId).HasMaxLength(200);
            reservation.Property(r => r.Outcome).HasMaxLength(32);
            reservation.Property(r => r.FailureCode).HasMaxLength(64);
            reservation.Property(r => r.FailureDetail).HasMaxLength(500);
            reservation.Property(r => r.RequestHash).HasMaxLength(64);
            reservation.Property(r => r.Version).IsConcurrencyToken();
            reservation.Property(r => r.SeatNumbers).HasMaxLength(500).HasConversion(SeatsAsText, SameSeats);
            reservation.Property(r => r.RefusedSeats).HasMaxLength(500).HasConversion(SeatsAsText, SameSeats);

            reservation.HasIndex(r => r.UnpaidUserId).IsUnique();
            reservation.HasIndex(r => new { r.UserId, r.IdempotencyKey }).IsUnique();
            // A pass buys once, even if the purchase is cancelled later.
            reservation.HasIndex(r => r.QueueTokenId).IsUnique().HasFilter("\"QueueTokenId\" IS NOT NULL AND \"ConfirmedAt\" IS NOT NULL");
            reservation.HasIndex(r => new { r.UserId, r.CreatedAt });
            reservation.HasIndex(r => r.Deadline);
            reservation.HasIndex(r => r.StuckSince);
            // For /internal/outcomes. Every step changes UpdatedAt, but the filter admits only the last write of a paid reservation.
            // On PostgreSQL the index adds 88 bytes to the log of a reservation's seven writes; without the filter, 588 bytes.
            reservation.HasIndex(r => new { r.UpdatedAt, r.CorrelationId }).HasFilter("\"ConfirmedAt\" IS NOT NULL");
            // For the cleaner. A reservation enters the index only when it ends unpaid.
            reservation.HasIndex(r => new { r.CreatedAt, r.UserId }).HasFilter(
                "\"CurrentState\" IN ('Rejected', 'Expired', 'Cancelled') AND \"ConfirmedAt\" IS NULL");
            // For the overview. A reservation enters the index only when it ends unpaid.
            reservation.HasIndex(r => r.UpdatedAt).HasFilter($"{IsFinished} AND \"ConfirmedAt\" IS NULL");
            // For the list of operators. Each unfinished reservation has a deadline, and no step changes a key of these indexes. The first
            // gets an entry per reservation; on PostgreSQL one per step, about as much log as the outcomes index without its filter. Each
            // of the others gets one entry when the reservation ends, the last three only if it has a failure code.
            reservation.HasIndex(r => new { r.CreatedAt, r.CorrelationId }).HasFilter("\"Deadline\" IS NOT NULL");
            reservation.HasIndex(r => new { r.CurrentState, r.CreatedAt, r.CorrelationId }).HasFilter(IsFinished);
            // Each has the state, because without it a state that hardly occurs in a concert, or never with a code, reads all its rows.
            // The first one alone finds the reservations of a seat.
            reservation.HasIndex(r => new { r.ScheduleId, r.CurrentState, r.CreatedAt, r.CorrelationId, r.SeatNumbers },
                "IX_Reservations_OfSchedule").HasFilter(IsFinished);
            reservation.HasIndex(r => new { r.ConcertId, r.CurrentState, r.CreatedAt, r.CorrelationId }, "IX_Reservations_OfConcert")
                .HasFilter(IsFinished);
            reservation.HasIndex(r => new { r.FailureCode, r.CurrentState, r.CreatedAt, r.CorrelationId }, "IX_Reservations_OfFailure")
                .HasFilter(HasFailed);
            // A code can be rare in a concert or a schedule, and frequent elsewhere. On PostgreSQL these two add about 150 bytes to the
            // log of a reservation that ends with a code.
            reservation.HasIndex(r => new { r.ConcertId, r.FailureCode, r.CurrentState, r.CreatedAt, r.CorrelationId },
                "IX_Reservations_OfConcertFailure").HasFilter(HasFailed);
            reservation.HasIndex(r => new { r.ScheduleId, r.FailureCode, r.CurrentState, r.CreatedAt, r.CorrelationId },
                "IX_Reservations_OfScheduleFailure").HasFilter(HasFailed);
            // For the list of revoked tickets. A reservation enters the index only when a paid one is cancelled.
            reservation.HasIndex(r => new { r.ScheduleId, r.CorrelationId }).HasFilter(
                "\"Outcome\" = 'Cancelled' AND \"ConfirmedAt\" IS NOT NULL");
            reservation.HasMany(r => r.Transitions).WithOne().HasForeignKey(t => t.ReservationId);
        });
        model.Entity<ReservationTransition>(transition =>
        {
            transition.ToTable("ReservationTransitions");
            transition.HasKey(t => new { t.ReservationId, t.Sequence });
            transition.Property(t => t.Sequence).ValueGeneratedNever();
            transition.Property(t => t.Trigger).HasMaxLength(64);
            transition.Property(t => t.FromState).HasMaxLength(32);
            transition.Property(t => t.ToState).HasMaxLength(32);
            transition.Property(t => t.Detail).HasMaxLength(500);
        });
        model.AddOperatorActions();
        model.AddTransactionalOutboxEntities();
    }
}

// Each provider joins the calls to their reservations, because for lists of users and keys it would read all reservations of the users.

public sealed class SqliteOrchestratorDbContext(DbContextOptions<SqliteOrchestratorDbContext> options) : OrchestratorDbContext(options)
{
    public override IQueryable<Reservation> KnownToCalls(string[] userIds, Guid[] keys)
    {
        // Ids are stored in capitals.
        var calls = JsonSerializer.Serialize(userIds.Zip(keys, (userId, key) => new[] { userId, key.ToString().ToUpperInvariant() }));
        return Reservations.FromSql($"""
            SELECT r.* FROM json_each({calls}) AS c
            CROSS JOIN "Reservations" AS r ON r."UserId" = c.value ->> 0 AND r."IdempotencyKey" = c.value ->> 1
            UNION ALL
            SELECT r.* FROM json_each({calls}) AS c CROSS JOIN "Reservations" AS r ON r."UnpaidUserId" = c.value ->> 0
            """);
    }
}

public sealed class PostgreSqlOrchestratorDbContext(DbContextOptions<PostgreSqlOrchestratorDbContext> options)
    : OrchestratorDbContext(options)
{
    public override IQueryable<Reservation> KnownToCalls(string[] userIds, Guid[] keys) => Reservations.FromSql($"""
        SELECT r.* FROM unnest({userIds}, {keys}) AS c ("userId", key)
        JOIN "Reservations" AS r ON r."UserId" = c."userId" AND r."IdempotencyKey" = c.key
        UNION ALL
        SELECT r.* FROM unnest({userIds}) AS c ("userId") JOIN "Reservations" AS r ON r."UnpaidUserId" = c."userId"
        """);
}

public sealed class SqlServerOrchestratorDbContext(DbContextOptions<SqlServerOrchestratorDbContext> options)
    : OrchestratorDbContext(options)
{
    public override IQueryable<Reservation> KnownToCalls(string[] userIds, Guid[] keys)
    {
        var calls = JsonSerializer.Serialize(userIds.Zip(keys, (userId, idempotencyKey) => new { userId, idempotencyKey }));
        // Otherwise the members have the collation of the database, which differs from that of the columns.
        return Reservations.FromSql($"""
            SELECT r.* FROM OPENJSON({calls}) WITH (userId nvarchar(200), idempotencyKey uniqueidentifier) AS c
            JOIN "Reservations" AS r
                ON r."UserId" = c.userId COLLATE Latin1_General_100_BIN2 AND r."IdempotencyKey" = c.idempotencyKey
            UNION ALL
            SELECT r.* FROM OPENJSON({calls}) WITH (userId nvarchar(200)) AS c
            JOIN "Reservations" AS r ON r."UnpaidUserId" = c.userId COLLATE Latin1_General_100_BIN2
            """);
    }
}

// For the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteOrchestratorDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlOrchestratorDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerOrchestratorDbContext>(DatabaseProvider.SqlServer, o => new(o));
