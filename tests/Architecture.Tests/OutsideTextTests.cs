using System.Text.RegularExpressions;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>
/// Only the readers of Shared.Hosting decide whether text from outside is a value. The framework's own also accept white space, signs,
/// zeros in front, other forms of UUIDs, lists of enum names and dates of many cultures. <c>Parse</c> is for text the product wrote itself.
/// </summary>
public sealed partial class OutsideTextTests
{
    [Fact]
    public void Text_InServicesAndOrchestrator_IsReadByTheProductsReaders()
    {
        var code = Product.Code.Where(file => file.StartsWith("Services/", StringComparison.Ordinal)
            || file.StartsWith("Orchestrator/", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(code);
        Rule.HasNoExceptions(code.SelectMany(file => File.ReadLines(Product.Full(file)).Index()
            .Where(line => FrameworkReader().IsMatch(line.Item))
            .Select(line => $"{file}:{line.Index + 1}: use ValueReader, EnumName or IsoInstant instead of {line.Item.Trim()}")));
    }

    [GeneratedRegex(@"\b(s?byte|u?short|u?int|u?long|Int\d+|UInt\d+|float|double|decimal|bool|char|Guid|Enum|Date\w+|Time\w+|Uri|Version|"
        + @"IPAddress)\.(TryParse|TryCreate|ParseExact)|\bConvert\.(To(U?Int\d+|Double|Decimal|DateTime|Boolean))\(")]
    private static partial Regex FrameworkReader();
}
