using System.Globalization;
using ConcertSaga.OperatorConsole.Texts;
using Microsoft.AspNetCore.Components;

namespace ConcertSaga.OperatorConsole.Parts;

/// <summary>A component with texts.</summary>
public abstract class ConsolePart : ComponentBase
{
    [Inject]
    internal TextCatalog T { get; set; } = null!;

    /// <summary>A number with a space between thousands, which reads the same in every language.</summary>
    protected static string Number(long? value) =>
        value is null ? "–" : value.Value.ToString("#,0", CultureInfo.InvariantCulture).Replace(',', '\u202f');

    /// <summary>A duration in the unit that suits it.</summary>
    protected static string Duration(double? milliseconds) => milliseconds switch
    {
        null => "–",
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds:0} ms"),
        < 60_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 1000:0.0} s"),
        < 3_600_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 60_000:0.0} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 3_600_000:0.0} h")
    };
}
