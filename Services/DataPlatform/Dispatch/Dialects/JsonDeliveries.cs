using System.Data.Common;
using System.Text;
using System.Text.Json;
using ConcertSaga.DataPlatform.Data;

namespace ConcertSaga.DataPlatform.Dispatch.Dialects;

/// <summary>Passes rows as one JSON array, for servers without array parameters.</summary>
internal abstract class JsonDeliveries : DeliveryDialect
{
    public override bool WriteIsComplete => false;

    public override void AddDeliveries(DbCommand command, Delivery[] rows) => command.AddParameter("rows", Json(rows, (json, row) =>
    {
        json.WriteString("id", IdText(row.DeliveryId));
        json.WriteString("reservation", IdText(row.ReservationId));
        json.WriteString("type", row.EventType);
        json.WriteNumber("sequence", row.Sequence);
        json.WriteString("payload", row.Payload);
        json.WriteString("trace", row.TraceParent);
    }));

    public override void AddOutcomes(DbCommand command, DeliveryOutcome[] outcomes) =>
        command.AddParameter("rows", Json(outcomes, (json, outcome) =>
        {
            json.WriteString("id", IdText(outcome.Lease.DeliveryId));
            json.WriteString("lease", IdText(outcome.Lease.LeaseId));
            json.WriteString("status", outcome.Status.ToString());
            json.WriteString("next", InstantText(outcome.NextAttemptAt));
            json.WriteNumber("before", outcome.AttemptsBefore);
            json.WriteString("since", InstantText(outcome.Since));
            json.WriteNumber("tries", outcome.Attempt is null ? 0 : 1);
            json.WriteString("error", outcome.Attempt?.Error);
        }));

    protected abstract string IdText(Guid id);

    protected abstract string InstantText(DateTimeOffset instant);

    private static string Json<T>(IEnumerable<T> rows, Action<Utf8JsonWriter, T> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartArray();
            foreach (var row in rows)
            {
                json.WriteStartObject();
                write(json, row);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
}
