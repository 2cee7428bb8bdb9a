using System.Data.Common;
using ConcertSaga.DataPlatform.Data;

namespace ConcertSaga.DataPlatform.Dispatch.Dialects;

/// <summary>Provides the statements of one database server, and passes parameters in the form that server expects.</summary>
internal abstract class DeliveryDialect
{
    /// <summary>The condition that a delivery <c>d</c> waits for an earlier event of its reservation.</summary>
    protected const string Blocked = """
        d."Sequence" > 1 AND EXISTS (SELECT 1 FROM "Deliveries" AS e
            WHERE e."ReservationId" = d."ReservationId" AND e."Sequence" < d."Sequence" AND e."Status" NOT IN ('Delivered', 'Discarded'))
        """;

    private static readonly PostgreSqlDeliveries PostgreSql = new();
    private static readonly SqliteDeliveries Sqlite = new();
    private static readonly SqlServerDeliveries SqlServer = new();

    /// <summary>Inserts the deliveries that are missing, and returns their ids.</summary>
    public abstract string Insert { get; }

    /// <summary>Leases or postpones due deliveries, and returns them.</summary>
    public abstract string Lease { get; }

    /// <summary>Writes outcomes and returns the ids of the updated deliveries.</summary>
    public abstract string Write { get; }

    /// <summary>Whether <see cref="Write"/> also records attempts and wakes later events, and returns how many it woke.</summary>
    public abstract bool WriteIsComplete { get; }

    public static DeliveryDialect Of(DataPlatformDbContext database) => database switch
    {
        PostgreSqlDataPlatformDbContext => PostgreSql,
        SqliteDataPlatformDbContext => Sqlite,
        _ => SqlServer
    };

    public abstract void AddDeliveries(DbCommand command, Delivery[] rows);

    public abstract void AddOutcomes(DbCommand command, DeliveryOutcome[] outcomes);

    public virtual object InstantValue(DateTimeOffset instant) => instant;

    public virtual DateTimeOffset ReadInstant(DbDataReader row, int column) => row.GetFieldValue<DateTimeOffset>(column);
}

internal static class CommandParameters
{
    public static void AddParameter(this DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = $"@{name}";
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }
}
