using System.Buffers.Text;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;

namespace ConcertSaga.Seats.Data;

/// <summary>Where the seats of a hall are: one document for all schedules in it, so ten million seats need no further column.</summary>
public sealed class VenuePlan
{
    private const int IdBytes = 16;

    /// <summary>A hash of the document. So a plan never changes, and two equal plans are one row.</summary>
    public required string VenuePlanId { get; init; }

    /// <summary>The document as JSON, compressed by Brotli.</summary>
    public required byte[] Content { get; init; }

    /// <summary>Stores a document.</summary>
    public static VenuePlan Of(VenuePlanView view)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(view, JsonSerializerOptions.Web);
        using var content = new MemoryStream();
        using (var brotli = new BrotliStream(content, CompressionLevel.SmallestSize))
            brotli.Write(json);
        return new VenuePlan
        {
            VenuePlanId = Base64Url.EncodeToString(SHA256.HashData(json).AsSpan(0, IdBytes)),
            Content = content.ToArray()
        };
    }
}

/// <summary>The places of the seats in a hall. Seats that it does not name have no known place.</summary>
/// <param name="Sections">The sections, in the order in which to draw them; empty if nothing is known.</param>
public sealed record VenuePlanView(IReadOnlyList<VenueSection> Sections);

/// <summary>A part of a hall, such as the stalls.</summary>
/// <param name="Name">The name.</param>
/// <param name="Rows">The rows, from the stage to the back.</param>
public sealed record VenueSection(string Name, IReadOnlyList<VenueRow> Rows);

/// <summary>Seats with consecutive numbers, side by side. The label of seat n is FirstLabel + (n - FirstSeat) * LabelStep.</summary>
/// <param name="Name">The name of the row.</param>
/// <param name="FirstSeat">The number of the first seat, as in the seat map.</param>
/// <param name="LastSeat">The number of the last seat.</param>
/// <param name="FirstLabel">The number on the first seat.</param>
/// <param name="LabelStep">The difference between the labels of two neighbours; negative if they descend.</param>
/// <param name="PriceGroup">The name of the price group; null if it has none.</param>
/// <param name="Accessible">The seats that can be reached in a wheelchair.</param>
/// <param name="Companion">The seats for those who accompany a customer in an accessible seat.</param>
/// <param name="RestrictedView">The seats from which a part of the stage is hidden.</param>
public sealed record VenueRow(
    string Name, int FirstSeat, int LastSeat, int FirstLabel, int LabelStep, string? PriceGroup, int[] Accessible, int[] Companion,
    int[] RestrictedView);
